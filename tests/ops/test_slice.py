"""SLICE against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def slice_model(
    shape: tuple[int, ...] = (2, 5, 6),
    begin: tuple[int, ...] = (0, 2, 1),
    size: tuple[int, ...] = (2, 3, 4),
    dtypes: tuple[type, type] = (np.int32, np.int32),
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one SLICE."""
    left = tuple(w - b if s == -1 else s for w, b, s in zip(shape, begin, size, strict=True))
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    y = b.tensor(left if out is None else out, scale=0.1)
    constants = [b.constant(np.array(v, t)) for v, t in zip((begin, size), dtypes, strict=True)]
    b.operator("SLICE", [x, *constants], [y])
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        slice_model(),
        slice_model((2, 3, 4, 3, 5), (1, 0, 1, 1, 2), (1, -1, 2, -1, 3), (np.int64, np.int64)),
        slice_model((6, 4), (2, 0), (3, 4)),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(data=st.data(), shape=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_numpy_equals_tflm(data: st.DataObject, shape: list[int]) -> None:
    begin = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    size = tuple(
        data.draw(st.integers(1, n - b) | st.just(-1)) for n, b in zip(shape, begin, strict=True)
    )
    assert_exact(slice_model(tuple(shape), begin, size), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (slice_model(out=(2, 3, 5)), "its shape is [2, 3, 5], but the operator needs [2, 3, 4]"),
        (
            slice_model(begin=(0, 3, 1)),
            "its box of [2, 3, 4] elements from position [0, 3, 1] is not inside",
        ),
        (
            slice_model(begin=(-1, 2, 1)),
            "its box of [2, 3, 4] elements from position [-1, 2, 1] is not inside",
        ),
        (slice_model(dtypes=(np.int32, np.int64)), "have different element types"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 SLICE") as caught:
        read_graph(model)
    assert problem in caught.value.problem
