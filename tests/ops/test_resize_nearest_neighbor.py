"""RESIZE_NEAREST_NEIGHBOR against TensorFlow Lite Micro."""

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
from tflm_ext.kernels import Const
from tflm_ext.kernels.resize_nearest_neighbor import RESIZE_NEAREST_NEIGHBOR
from tflm_ext.ops.resize_nearest_neighbor import OPERATOR
from tflm_ext.opslib.base import Array
from tflm_ext.plan.overlap import lead

CENTRES = [(False, False), (True, False), (False, True), (True, True)]


def resize_nearest(
    shape: tuple[int, ...] = (1, 3, 4, 2),
    size: tuple[int, int] = (7, 5),
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    zero_point: int = 0,
    out: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one RESIZE_NEAREST_NEIGHBOR."""
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.1, zero_point=zero_point)
    y = b.tensor(out or (shape[0], *size, shape[3]), scale=0.1, zero_point=zero_point)
    options = schema.ResizeNearestNeighborOptionsT()
    options.alignCorners, options.halfPixelCenters = align_corners, half_pixel_centers
    b.operator("RESIZE_NEAREST_NEIGHBOR", [x, b.constant(np.array(size, np.int32))], [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        resize_nearest(),
        resize_nearest((1, 6, 6, 80), (12, 12), zero_point=-128),
        resize_nearest((2, 5, 6, 3), (3, 13), align_corners=True),
        resize_nearest((2, 4, 3, 1), (8, 7), half_pixel_centers=True),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    centres=st.sampled_from(CENTRES),
)
def test_numpy_equals_tflm(
    shape: tuple[int, ...], size: tuple[int, int], centres: tuple[bool, bool]
) -> None:
    assert_exact(resize_nearest(shape, size, *centres), c=False)


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from(CENTRES))
def test_positions_are_rounded_like_tflm(size: int, out: int, centres: tuple[bool, bool]) -> None:
    # Long rows show each rounding of float32: of the scale, of its products, and of halves.
    assert_exact(resize_nearest((1, 1, size, 1), (1, out), *centres), c=False)


def test_the_output_may_replace_its_input() -> None:
    made = assert_exact(resize_nearest((1, 6, 6, 8), (12, 12)))
    assert made.arena_bytes == 12 * 12 * 8


def loops(fields: dict[str, Any], tables: list[Array], memory: Array, start: int) -> int:
    """The loops of the header, with the output at 0 and the input at `start`; bytes written."""
    rows, columns = tables
    image, target, pixel = start, 0, fields["pixel"]
    row_bytes = pixel * len(columns)
    for _ in range(fields["batches"]):
        for y, row in enumerate(rows):
            if y > 0 and row == rows[y - 1]:
                memory[target : target + row_bytes] = memory[target - row_bytes : target]
            else:
                for x, column in enumerate(columns):
                    at, to = image + row + column, target + x * pixel
                    memory[to : to + pixel] = memory[at : at + pixel].copy()
            target += row_bytes
        image += fields["image"]
    return target


@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3)),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    centres=st.sampled_from(CENTRES),
    more=st.integers(0, 40),
)
def test_the_lead_is_enough(
    shape: tuple[int, ...], size: tuple[int, int], centres: tuple[bool, bool], more: int
) -> None:
    (view,) = read_graph(resize_nearest(shape, size, *centres)).views()
    call = RESIZE_NEAREST_NEIGHBOR.lower(view)
    (times,) = call.times
    tables = [np.frombuffer(a.data, np.int32) for a in call.arguments if isinstance(a, Const)]
    source = np.arange(view.input().elements)
    start = lead(times) + more
    memory = np.full(start + len(source) + view.output().elements, -1)
    memory[start : start + len(source)] = source
    written = loops(dict(call.fields), tables, memory, start)
    (wanted,) = OPERATOR.reference(view, [source.reshape(shape)])
    assert memory[:written].tolist() == wanted.ravel().tolist()


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (resize_nearest(out=(1, 5, 7, 2)), "its shape is [1, 5, 7, 2], but the operator needs"),
        (resize_nearest(size=(0, 5), out=(1, 7, 5, 2)), "its shape is [1, 7, 5, 2]"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 RESIZE_NEAREST") as caught:
        read_graph(model)
    assert problem in caught.value.problem
