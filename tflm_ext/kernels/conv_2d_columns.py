"""What kernels of CONV_2D have in common that turn windows into columns, three at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels import packing
from tflm_ext.kernels.base import Const, Input, KernelCall, Output, Scratch, once_per_node
from tflm_ext.kernels.windows import forward_times, window_fields
from tflm_ext.ops.conv_2d import axes_of, bias_of
from tflm_ext.opslib.common import zero_point


class ColumnsWork(NamedTuple):
    """Work of one call: the tiles, their filters, and how their columns are made.

    Attributes:
        tiles: of three windows.
        pairs, pair_quads, pair_rounds, single, single_quads: as in FiltersWork.
        inside_tiles, inside_rows: tiles without padding, and their rows after the first.
        rows: of three windows that are read as runs of bytes.
        widened: how often bytes of these rows are widened.
        quads, bytes: read four bytes at a time, and read singly.
        border_taps: of tiles at the edge of the image, read one by one.
        border_rows: of such tiles, read row by row.
        copied_taps, copied_bytes: of these rows, copied with their padding.
    """

    calls: int
    tiles: int
    pairs: int
    pair_quads: int
    pair_rounds: int
    single: int
    single_quads: int
    inside_tiles: int
    inside_rows: int
    rows: int
    widened: int
    quads: int
    bytes: int
    border_taps: int
    border_rows: int
    copied_taps: int
    copied_bytes: int


@once_per_node
def filters_of(view: NodeView) -> packing.Filters:
    weights = view.input(1)
    columns = weights.array().reshape(weights.shape[0], -1)
    return packing.layer_filters(view, columns, view.input(0), weights, bias_of(view))


def pixels_of(view: NodeView) -> int:
    """Of the output, in all images of the batch."""
    out = view.output()
    return out.elements // out.shape[3]


def is_pointwise(view: NodeView) -> bool:
    image, weights, out = view.input(0), view.input(1), view.output()
    grouped = image.shape[3] != weights.shape[3]
    return weights.shape[1:3] == (1, 1) and image.shape[:3] == out.shape[:3] and not grouped


def applies(view: NodeView) -> bool:
    grouped = view.input(0).shape[3] != view.input(1).shape[3]
    return not grouped and pixels_of(view) >= 3


def _in_order(filters: packing.Filters, rows: int) -> packing.Filters:
    """Filters in the order of a column: the whole quads of each row, then the rest of each row."""
    by_row = filters.values.reshape(len(filters.values), rows, -1)
    whole = by_row.shape[2] // packing.QUAD * packing.QUAD
    parts = (by_row[..., :whole], by_row[..., whole:])
    values = np.concatenate([part.reshape(len(by_row), -1) for part in parts], axis=1)
    return replace(filters, values=values)


def lower_columns(view: NodeView, stream: Callable[[packing.Filters], Const]) -> KernelCall:
    """The call of a kernel that makes columns of windows."""
    filters = filters_of(view)
    image, weights, out = view.input(0), view.input(1), view.output()
    rows, columns = axes_of(view)
    channels, _, _, depth = weights.shape
    size = filters.values.shape[1]
    quads = -(-size // packing.QUAD)
    row_quads, rest = divmod(columns.window * depth, packing.QUAD)
    rest_quads = -(-rows.window * rest // packing.QUAD)
    row = columns.window * depth
    packed = stream(_in_order(filters, rows.window))
    order = f"filters [y {rows.window}][x {columns.window}][channel {depth}]"
    if rest and row_quads and rows.window > 1:
        order += f", of every y first {row - rest} weights, then the last {rest} of every y"
    padding = depth if depth % packing.QUAD == 0 else 4 * row + 3 * packing.QUAD * rest_quads
    return KernelCall(
        fields=(
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("input_channels", depth),
            *window_fields(rows, columns),
            ("output_channels", channels),
            ("pixels", pixels_of(view)),
            ("quads", quads),
            ("row_quads", row_quads),
            ("row_rest", rest),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
        ),
        arguments=(
            Input(0),
            replace(packed, layout=f"{packed.layout} of {order}"),
            Scratch("columns", 3 * 2 * packing.QUAD * quads, DType.INT32),
            Scratch("bytes", padding),
            Output(),
        ),
        times=(forward_times(image.shape, rows, columns, channels, 3),),
        limits=filters.limits,
    )


def work(view: NodeView) -> ColumnsWork:
    rows, columns = axes_of(view)
    pixels = pixels_of(view)
    channels, _, _, depth = view.input(1).shape
    tiles = -(-pixels // 3)
    row_quads, rest = divmod(columns.window * depth, packing.QUAD)
    rest_quads = -(-rows.window * rest // packing.QUAD)
    pixel = np.minimum(3 * np.arange(tiles), pixels - 3)[:, np.newaxis] + np.arange(3)
    top = pixel // columns.out % rows.out * rows.stride - rows.before
    left = pixel % columns.out * columns.stride - columns.before
    in_width = (left >= 0) & (left + columns.window <= columns.size) & (columns.dilation == 1)
    bottom = top + (rows.window - 1) * rows.dilation
    border = ~np.all((top >= 0) & (bottom < rows.size) & in_width, axis=1)
    at_border = int(np.count_nonzero(border))
    if depth % packing.QUAD == 0:
        by_rows, border_taps, border_rows, copied = tiles - at_border, at_border, 0, 0
    else:
        by_rows, border_taps, border_rows = tiles, 0, at_border
        y = top[..., np.newaxis] + np.arange(rows.window) * rows.dilation
        inside = np.count_nonzero((y >= 0) & (y < rows.size), axis=2)
        copied = int(inside[border[:, np.newaxis] & ~in_width].sum()) * columns.window
    border_taps *= rows.window * columns.window
    return ColumnsWork(
        1,
        tiles,
        *packing.filters_work(tiles, channels, rows.window * row_quads + rest_quads),
        tiles - at_border,
        (tiles - at_border) * (rows.window - 1),
        by_rows * rows.window,
        by_rows * (rows.window * (row_quads > 0) + (rest > 0)),
        by_rows * (rows.window * row_quads + rest_quads) + border_taps * depth // packing.QUAD,
        by_rows * rows.window * rest,
        border_taps,
        border_rows * rows.window,
        copied,
        copied * depth,
    )
