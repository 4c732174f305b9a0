"""SPLIT_V against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def split_v(
    shape: tuple[int, ...] = (2, 6, 4),
    sizes: tuple[int, ...] = (1, 3, 2),
    axis: int = 1,
    said: tuple[int, ...] | None = None,
    size_type: type = np.int32,
) -> bytes:
    """A model of one SPLIT_V; `said` is the list of sizes in the file."""
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    outputs = []
    for size in sizes:
        part = list(shape)
        part[axis] = size
        outputs.append(b.tensor(part, scale=0.1))
    numbers = b.constant(np.array(sizes if said is None else said, size_type))
    b.operator("SPLIT_V", [x, numbers, b.constant(np.array([axis], np.int32))], outputs)
    return b.finish([x], outputs)


@pytest.mark.parametrize(
    "model",
    [
        split_v(),
        split_v((4, 3, 2), (1, 3), 0, (1, -1)),
        split_v((3, 8), (1, 2, 5), -1, size_type=np.int64),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6),
)
def test_numpy_equals_tflm(data: st.DataObject, shape: list[int], sizes: list[int]) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[axis] = sum(sizes)
    assert_exact(split_v(tuple(shape), tuple(sizes), axis), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (split_v(sizes=(1, 3, 3)), "it splits an axis of size 6 into parts of [1, 3, 3]"),
        (split_v(said=(1, 2, 3)), "its shape is [2, 3, 4], but the operator needs [2, 2, 4]"),
        (split_v(said=(1, 3)), "the sizes cannot be 2 elements of type int32"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SPLIT_V") as caught:
        read_graph(model)
    assert problem in caught.value.problem
