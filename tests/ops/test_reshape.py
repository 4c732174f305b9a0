"""RESHAPE against TensorFlow Lite Micro."""

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


def reshape(
    source: tuple[int, ...] = (1, 2, 6), target: tuple[int, ...] = (3, 4), by: str = "tensor"
) -> bytes:
    """A model of one RESHAPE, with the new shape in a tensor, in the options, or in neither."""
    b = ModelBuilder()
    x = b.tensor(source, scale=0.1, zero_point=3)
    y = b.tensor(target, scale=0.1, zero_point=3)
    inputs = [x, b.constant(np.array(target, np.int32))] if by == "tensor" else [x]
    options = schema.ReshapeOptionsT()
    options.newShape = list(target) if by == "options" else None
    b.operator("RESHAPE", inputs, [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize("by", ["tensor", "options", "nothing"])
def test_c_equals_tflm(by: str) -> None:
    assert_exact(reshape(by=by))


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=5), split=st.integers(0, 4))
def test_numpy_equals_tflm(shape: list[int], split: int) -> None:
    at = min(split, len(shape))
    target = (int(np.prod(shape[:at])), *shape[at:])
    assert_exact(reshape(tuple(shape), target), c=False)


def test_refuses_another_size() -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"cannot turn int8 \[1, 2, 6\] into int8 \[3, 5\]"
    ):
        read_graph(reshape(target=(3, 5)))
