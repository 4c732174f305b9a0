"""PACK against TensorFlow Lite Micro."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def pack(
    shape: tuple[int, ...] = (2, 3),
    count: int = 3,
    axis: int = 1,
    said: int | None = None,
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one PACK; `said` is the count in its options."""
    b = ModelBuilder()
    inputs = [b.tensor(shape, scale=0.1) for _ in range(count)]
    whole = list(shape)
    whole.insert(axis if axis >= 0 else axis + len(shape) + 1, count)
    y = b.tensor(whole if out is None else out, scale=0.1)
    options = schema.PackOptionsT()
    options.axis, options.valuesCount = axis, count if said is None else said
    b.operator("PACK", inputs, [y], options)
    return b.finish(inputs, [y])


@pytest.mark.parametrize("model", [pack(), pack((3, 1, 4), 2, 0), pack((5,), 4, -1)])
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 4), max_size=5),
    count=st.integers(1, 12),
)
def test_numpy_equals_tflm(data: st.DataObject, shape: list[int], count: int) -> None:
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    assert_exact(pack(tuple(shape), count, axis), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (pack(said=4), "its options say 4 tensors, but it has 3"),
        (pack(axis=3), "it works along axis 3 of a tensor with 3 dimensions"),
        (pack(out=(3, 2, 3)), "its shape is [3, 2, 3], but the operator needs [2, 3, 3]"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 PACK") as caught:
        read_graph(model)
    assert problem in caught.value.problem
