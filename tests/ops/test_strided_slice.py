"""STRIDED_SLICE against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def strided_slice(
    shape: tuple[int, ...] = (2, 7, 5),
    begin: tuple[int, ...] = (0, 1, 0),
    end: tuple[int, ...] = (2, 6, 4),
    strides: tuple[int, ...] = (1, 2, 1),
    begin_mask: int = 0,
    end_mask: int = 0,
    shrink: int = 0,
    new_axis: int = 0,
    offset: bool = False,
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one STRIDED_SLICE; NumPy determines the output's shape."""
    index = tuple(
        b
        if shrink >> i & 1 and not begin_mask >> i & 1
        else slice(None if begin_mask >> i & 1 else b, None if end_mask >> i & 1 else e, s)
        for i, (b, e, s) in enumerate(zip(begin, end, strides, strict=True))
    )
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1)
    y = b.tensor(np.empty(shape)[index].shape if out is None else out, scale=0.1)
    options = schema.StridedSliceOptionsT()
    options.beginMask, options.endMask = begin_mask, end_mask
    options.shrinkAxisMask, options.newAxisMask, options.offset = shrink, new_axis, offset
    constants = [b.constant(np.array(v, np.int32)) for v in (begin, end, strides)]
    b.operator("STRIDED_SLICE", [x, *constants], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        strided_slice(),
        strided_slice((3, 4, 5, 6), (-1, 3, -9, 1), (-9, 0, 9, -1), (-1, -2, 3, 1), end_mask=1),
        strided_slice((4, 1, 6), (2, 0, 0), (3, 1, 6), (1, 1, 1), shrink=1),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    begin_mask=st.integers(0, 15),
    end_mask=st.integers(0, 15),
    shrink=st.integers(0, 15),
)
def test_numpy_equals_tflm(
    data: st.DataObject, shape: list[int], begin_mask: int, end_mask: int, shrink: int
) -> None:
    rank = len(shape)
    bounds = st.lists(st.integers(-8, 8), min_size=rank, max_size=rank).map(tuple)
    begin, end = data.draw(bounds), data.draw(bounds)
    strides = data.draw(bounds)
    strides = tuple(abs(s) if shrink >> i & 1 else s for i, s in enumerate(strides))
    assume(0 not in strides)
    shrink &= ~begin_mask  # NumPy cannot express a dropped axis without a begin
    for axis, size in enumerate(shape):
        if shrink >> axis & 1:
            assume(-size <= begin[axis] < size)
        else:
            left = range(size)[
                slice(
                    None if begin_mask >> axis & 1 else begin[axis],
                    None if end_mask >> axis & 1 else end[axis],
                    strides[axis],
                )
            ]
            assume(len(left) > 0)
    assert_exact(
        strided_slice(tuple(shape), begin, end, strides, begin_mask, end_mask, shrink), c=False
    )


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (strided_slice(out=(2, 3, 5)), "its shape is [2, 3, 5], but the operator needs [2, 3, 4]"),
        (strided_slice(strides=(1, 0, 1), out=(2, 3, 4)), "its strides are [1, 0, 1]"),
        (strided_slice(new_axis=1), "it uses an ellipsis, a new axis or offsets"),
        (strided_slice(offset=True), "it uses an ellipsis, a new axis or offsets"),
        (
            strided_slice(begin=(0, 7, 0), shrink=2, out=(2, 4)),
            "it reads position 7 of axis 1, which has the size 7",
        ),
        (
            strided_slice(strides=(1, -1, 1), shrink=2, out=(2, 4)),
            "it reads position 1 of axis 1, which has the size 7",
        ),
        (
            strided_slice((1,) * 5, (0,) * 5, (1,) * 5, (1,) * 5),
            "5 dimensions, but TensorFlow Lite Micro allows 1 to 4",
        ),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 STRIDED_SLICE") as caught:
        read_graph(model)
    assert problem in caught.value.problem
