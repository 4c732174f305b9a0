"""RESIZE_NEAREST_NEIGHBOR: copies of the nearest pixels, which TFLM finds in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import check_dimensions, check_integers, integers
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_counts, check_int8, check_shape


@dataclass(frozen=True, slots=True)
class ResizeNearestOptions:
    """Options of RESIZE_NEAREST_NEIGHBOR."""

    align_corners: bool
    half_pixel_centers: bool


def parse(table: Table | None) -> ResizeNearestOptions:
    if table is None:
        return ResizeNearestOptions(align_corners=False, half_pixel_centers=False)
    return ResizeNearestOptions(table.bool(0), table.bool(1))


def positions_of(view: NodeView, axis: int) -> Array:
    """For each row or column of the output: the row or column of the input, never descending."""
    options: ResizeNearestOptions = view.options
    size, out = view.input().shape[axis], view.output().shape[axis]
    corners = 1 if options.align_corners and out > 1 else 0
    scale = np.float32(size - corners) / np.float32(out - corners)
    offset = np.float32(0.5 if options.half_pixel_centers else 0)
    at = (np.arange(out, dtype=np.float32) + offset) * scale
    # Adding 0.5 in float32 would round.
    half = 0.5 if options.align_corners else 0.0
    nearest = np.floor(at.astype(np.float64) + half).astype(np.int64)
    return np.minimum(nearest, size - 1)


def check(view: NodeView) -> None:
    check_counts(view, (2,))
    source, out = view.input(), view.output()
    check_int8(view, source, out)
    check_dimensions(view, source, range(4, 5))
    check_integers(view, view.input(1), "size", 2)
    check_shape(view, out, (source.shape[0], *integers(view.input(1)), source.shape[3]))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    source = inputs[0]
    assert source is not None
    return (source[:, positions_of(view, 1)][:, :, positions_of(view, 2)],)


OPERATOR = Operator(
    name="RESIZE_NEAREST_NEIGHBOR",
    code=97,
    max_version=4,
    options_type=74,
    parse=parse,
    check=check,
    reference=reference,
)
