"""RESIZE_BILINEAR, in TFLM's integer arithmetic with 10 fractional bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import rounding_divide_by_pot
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import DAMAGED, check_dimensions, check_integers, integers
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_counts, check_int8, check_shape

_ONE = 1024
_MAX_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class ResizeBilinearOptions:
    """Options of RESIZE_BILINEAR."""

    align_corners: bool
    half_pixel_centers: bool


def parse(table: Table | None) -> ResizeBilinearOptions:
    # Fields 0 and 1 held the new size before it became an input.
    if table is None:
        return ResizeBilinearOptions(align_corners=False, half_pixel_centers=False)
    return ResizeBilinearOptions(table.bool(2), table.bool(3))


@dataclass(frozen=True, slots=True)
class _Positions:
    """Positions of the output's rows or columns in the input, times 1024."""

    step: int
    start: int

    def between(self, size: int, out: int) -> tuple[Array, Array, Array]:
        """For each output row: two input rows, and 1024 times the weight of the second."""
        at = np.arange(out, dtype=np.int64) * self.step + self.start
        low = np.maximum(at // _ONE, 0)
        high = np.minimum((at + _ONE - 1) // _ONE, size - 1)
        return low, high, at - _ONE * low


def positions_of(view: NodeView, axis: int) -> _Positions:
    options: ResizeBilinearOptions = view.options
    size, out = view.input().shape[axis], view.output().shape[axis]
    if options.align_corners and out > 1:
        size, out = size - 1, out - 1
    step = (_ONE * size + out // 2) // out
    return _Positions(step, step // 2 - _ONE // 2 if options.half_pixel_centers else 0)


def check(view: NodeView) -> None:
    options: ResizeBilinearOptions = view.options
    check_counts(view, (2,))
    source, out = view.input(), view.output()
    check_int8(view, source, out)
    check_dimensions(view, source, range(4, 5))
    check_integers(view, view.input(1), "size", 2)
    check_shape(view, out, (source.shape[0], *integers(view.input(1)), source.shape[3]))
    view.require(
        not (options.align_corners and options.half_pixel_centers),
        "it sets both align_corners and half_pixel_centers",
        DAMAGED,
    )
    for axis in (1, 2):
        size, new = source.shape[axis], out.shape[axis]
        view.require(
            max(size, new) <= _MAX_SIZE,
            f"it resizes {size} rows or columns to {new}",
            f"Use images with at most {_MAX_SIZE:,} rows and columns.",
        )
        # The step is rounded to 1/1024. Over thousands of rows, the error can lead out of the
        # image, and TFLM would read the bytes after it.
        view.require(
            int(positions_of(view, axis).between(size, new)[0][-1]) < size,
            f"resizing {size} rows or columns to {new} makes TensorFlow Lite Micro read beyond the "
            "image",
            "Resize to fewer rows and columns.",
        )


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    source, out = inputs[0], view.output()
    assert source is not None
    low, high, weight = positions_of(view, 1).between(source.shape[1], out.shape[1])
    left, right, across = positions_of(view, 2).between(source.shape[2], out.shape[2])
    values = source.astype(np.int64)
    down = weight[:, None, None]
    rows = values[:, low] * (_ONE - down) + values[:, high] * down
    across = across[:, None]
    pixels = rows[:, :, left] * (_ONE - across) + rows[:, :, right] * across
    return (rounding_divide_by_pot(pixels, 20).astype(np.int8),)


OPERATOR = Operator(
    name="RESIZE_BILINEAR",
    code=23,
    max_version=4,
    options_type=15,
    parse=parse,
    check=check,
    reference=reference,
    refuses="`align_corners` combined with `half_pixel_centers`; very large images",
)
