"""UNPACK against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def unpack(
    shape: tuple[int, ...] = (2, 3, 4),
    axis: int = 1,
    said: int | None = None,
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one UNPACK; `said` is the count in its options."""
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    part = list(shape)
    count = part.pop(axis)
    outputs = [b.tensor(part if out is None else out, scale=0.1) for _ in range(count)]
    options = schema.UnpackOptionsT()
    options.axis, options.num = axis, count if said is None else said
    b.operator("UNPACK", [x], outputs, options)
    return b.finish([x], outputs)


@pytest.mark.parametrize("model", [unpack(), unpack((3, 1, 4), 0), unpack((2, 5), -1)])
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(data=st.data(), shape=st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_numpy_equals_tflm(data: st.DataObject, shape: list[int]) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    assert_exact(unpack(tuple(shape), axis), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (unpack(said=4), "it unpacks 4 slices of an axis of size 3 into 3 tensors"),
        (unpack(out=(4, 2)), "its shape is [4, 2], but the operator needs [2, 4]"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 UNPACK") as caught:
        read_graph(model)
    assert problem in caught.value.problem
