"""CONCATENATION against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def concatenation(
    shape: tuple[int, ...] = (2, 3, 4),
    sizes: tuple[int, ...] = (1, 3, 2),
    axis: int = 1,
    constant: int | None = None,
    activation: int = 0,
    scale: float = 0.1,
    zero_point: int = 4,
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one CONCATENATION of inputs with different sizes; one may be constant."""
    b = ModelBuilder()
    inputs = []
    for i, size in enumerate(sizes):
        part = list(shape)
        part[axis] = size
        if i == constant:
            values = np.random.default_rng(0).integers(-128, 128, part, np.int8)
            inputs.append(b.constant(values, scale=scale, zero_point=zero_point))
        else:
            inputs.append(b.tensor(part, scale=scale, zero_point=zero_point))
    whole = list(shape)
    whole[axis] = sum(sizes)
    y = b.tensor(whole if out is None else out, scale=0.1, zero_point=4)
    options = schema.ConcatenationOptionsT()
    options.axis, options.fusedActivationFunction = axis, activation
    b.operator("CONCATENATION", inputs, [y], options)
    return b.finish([x for i, x in enumerate(inputs) if i != constant], [y])


@pytest.mark.parametrize(
    "model",
    [
        concatenation(),
        concatenation((2, 3, 2, 2), (5, 1), -1, constant=1),
        concatenation((1, 1, 1, 1, 2, 2), (2,) * 10, 0),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=10),
)
def test_numpy_equals_tflm(data: st.DataObject, shape: list[int], sizes: list[int]) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    constant = data.draw(st.none() | st.integers(0, len(sizes) - 1)) if len(sizes) > 1 else None
    assert_exact(concatenation(tuple(shape), tuple(sizes), axis, constant), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (concatenation(out=(2, 5, 4)), "its shape is [2, 5, 4], but the operator needs [2, 6, 4]"),
        (concatenation(out=(2, 6, 5)), "its shape is [2, 1, 4], but the operator needs [2, 1, 5]"),
        (concatenation(scale=0.2), "its quantisation differs from the output's"),
        (concatenation(zero_point=5), "its quantisation differs from the output's"),
        (concatenation(activation=1), "it has the fused activation RELU"),
        (concatenation(sizes=(1,) * 11), "it joins 11 tensors; TensorFlow Lite Micro allows 1 to"),
        (concatenation((1,) * 7), "7 dimensions, but TensorFlow Lite Micro allows 1 to 6"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 CONCATENATION") as caught:
        read_graph(model)
    assert problem in caught.value.problem
