"""EXPAND_DIMS against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def expand_dims(axis: int, target: tuple[int, ...], dtype: type = np.int32) -> bytes:
    """A model of one EXPAND_DIMS of a (2, 3)."""
    b = ModelBuilder()
    x = b.tensor((2, 3), scale=0.1, zero_point=3)
    y = b.tensor(target, scale=0.1, zero_point=3)
    b.operator("EXPAND_DIMS", [x, b.constant(np.array([axis], dtype))], [y])
    return b.finish([x], [y])


@pytest.mark.parametrize("axis", range(-3, 3))
def test_equals_tflm(axis: int) -> None:
    target = np.expand_dims(np.zeros((2, 3)), axis).shape
    assert_exact(expand_dims(axis, target), c=axis == 0)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (expand_dims(3, (2, 3, 1)), "its axis is not an int32 from -3 to 2"),
        (expand_dims(-4, (1, 2, 3)), "its axis is not an int32 from -3 to 2"),
        (expand_dims(1, (2, 1, 3), np.int64), "its axis is not an int32 from -3 to 2"),
        (expand_dims(1, (1, 2, 3)), "its shape is [1, 2, 3], but the operator needs [2, 1, 3]"),
        (expand_dims(1, (2, 1, 4)), "cannot turn int8 [2, 3] into int8 [2, 1, 4]"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 EXPAND_DIMS") as caught:
        read_graph(model)
    assert problem in caught.value.problem
