"""SPLIT against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def split(
    shape: tuple[int, ...] = (2, 6, 4),
    parts: int = 3,
    axis: int = 1,
    out: tuple[int, ...] | None = None,
    said: int | None = None,
) -> bytes:
    """A model of one SPLIT; `said` is the axis in the file."""
    part = list(shape)
    part[axis] //= parts
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    outputs = [b.tensor(part if out is None else out, scale=0.1) for _ in range(parts)]
    number = b.constant(np.array(axis if said is None else said, np.int32))
    b.operator("SPLIT", [number, x], outputs)
    return b.finish([x], outputs)


@pytest.mark.parametrize("model", [split(), split((4, 3, 2), 2, 0), split((3, 8), 4, -1)])
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    parts=st.integers(1, 5),
)
def test_numpy_equals_tflm(data: st.DataObject, shape: list[int], parts: int) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] *= parts
    assert_exact(split(tuple(shape), parts, axis), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (split(parts=4, out=(2, 1, 4)), "it splits an axis of size 6 into 4 equal parts"),
        (split(said=3), "it works along axis 3 of a tensor with 3 dimensions"),
        (split(out=(2, 3, 4)), "its shape is [2, 3, 4], but the operator needs [2, 2, 4]"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SPLIT") as caught:
        read_graph(model)
    assert problem in caught.value.problem
