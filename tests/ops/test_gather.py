"""GATHER against TensorFlow Lite Micro."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def gather(
    shape: tuple[int, ...] = (2, 5, 3),
    positions: Any = (4, 0, 4),
    axis: int = 1,
    batch_dims: int = 0,
    out: tuple[int, ...] | None = None,
    dtype: type = np.int32,
) -> bytes:
    """A model of one GATHER."""
    at = np.array(positions, dtype)
    front = axis % len(shape)
    shared = batch_dims + (at.ndim if batch_dims < 0 else 0)
    whole = (*shape[:front], *at.shape[shared:], *shape[front + 1 :])
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    y = b.tensor(whole if out is None else out, scale=0.1)
    options = schema.GatherOptionsT()
    options.axis, options.batchDims = axis, batch_dims
    b.operator("GATHER", [x, b.constant(at)], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        gather(),
        gather((6, 2), ((1, 5), (0, 0)), 0),
        gather((2, 3, 4, 2), ((3, 1), (0, 2)), 2, batch_dims=1),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    count=st.lists(st.integers(1, 3), max_size=2),
    seed=st.integers(0, 99),
)
def test_numpy_equals_tflm(
    data: st.DataObject, shape: list[int], count: list[int], seed: int
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shared = data.draw(st.integers(0, axis % len(shape)))
    size = (*shape[:shared], *count)
    positions = np.random.default_rng(seed).integers(shape[axis], size=size)
    if size and shared < len(size) and data.draw(st.booleans()):
        shared -= len(size)
    assert_exact(gather(tuple(shape), positions, axis, shared), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (gather(positions=(4, 5)), "it gathers at positions outside axis 1, which has the size 5"),
        (gather(positions=(-1, 4)), "it gathers at positions outside axis 1, which has the size 5"),
        (gather(dtype=np.int64), "its positions are int64"),
        (gather(out=(2, 3, 4)), "its shape is [2, 3, 4], but the operator needs [2, 3, 3]"),
        (
            gather(batch_dims=1),
            "it shares 1 axes of an input with the shape [2, 5, 3] and positions",
        ),
        (gather(axis=0, positions=((1,), (0,)), batch_dims=1), "it shares 1 axes of"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 GATHER") as caught:
        read_graph(model)
    assert problem in caught.value.problem
