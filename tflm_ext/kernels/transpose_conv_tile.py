"""TRANSPOSE_CONV as convolutions by tiles, one per phase of the strides: transpose_conv_tile.h."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels import packing
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, Scratch, once_per_node
from tflm_ext.kernels.transpose_conv import fields_of
from tflm_ext.ops.transpose_conv import IMAGE, WEIGHTS, TransposeConvOptions, axes_of, bias_of


class TransposeConvTileWork(NamedTuple):
    """Work of one call: rows, rows of each phase in width, tiles with their taps and quads.

    The other fields are those of FiltersWork.
    """

    calls: int
    rows: int
    phase_rows: int
    tiles: int
    taps: int
    quads: int
    pairs: int
    pair_quads: int
    pair_rounds: int
    single: int
    single_quads: int


def _remainders(view: NodeView) -> Iterator[tuple[int, int]]:
    """Of the rows and columns of outputs, divided by the strides: one pair for each phase."""
    o: TransposeConvOptions = view.options
    return itertools.product(range(o.stride_height), range(o.stride_width))


@once_per_node
def _phases(view: NodeView) -> list[packing.Filters]:
    """The filters of every phase: of the outputs with the same remainders."""
    weights = view.input(WEIGHTS)
    o: TransposeConvOptions = view.options
    phases = []
    for y, x in _remainders(view):
        taps = weights.array()[:, y :: o.stride_height, x :: o.stride_width]
        values = taps.reshape(weights.shape[0], -1)
        phases.append(
            packing.layer_filters(view, values, view.input(IMAGE), weights, bias_of(view))
        )
    return phases


def _applies(view: NodeView) -> bool:
    rows, columns = axes_of(view)
    return (
        view.input(IMAGE).shape[3] % packing.QUAD == 0
        and rows.window >= rows.stride
        and columns.window >= columns.stride
        and columns.size >= 3 * columns.stride
        and all(filters.has_pairs for filters in _phases(view))
    )


def _lower(view: NodeView) -> KernelCall:
    image = view.input(IMAGE)
    phases = _phases(view)
    quads = max(filters.values.shape[1] for filters in phases) // packing.QUAD
    streams = [packing.stream(filters) for filters in phases]
    rows, columns = axes_of(view)
    layouts = [
        f"{stream.layout} of filters [y {-(-(rows.window - y) // rows.stride)}]"
        f"[x {-(-(columns.window - x) // columns.stride)}][channel {image.shape[3]}]"
        for stream, (y, x) in zip(streams, _remainders(view), strict=True)
    ]
    each = layouts[0] if len(set(layouts)) == 1 else "; ".join(layouts)
    layout = f"[remainder of y {rows.stride}][remainder of x {columns.stride}], each: {each}"
    return KernelCall(
        fields=fields_of(view),
        arguments=(
            Input(IMAGE),
            Const("weights", DType.INT32, b"".join(s.data for s in streams), layout),
            Scratch("columns", 3 * 2 * packing.QUAD * quads, DType.INT32),
            Scratch("padding", image.shape[3]),
            Output(),
        ),
        limits=phases[0].limits,
    )


def _work(view: NodeView) -> TransposeConvTileWork:
    image, (rows, columns) = view.input(IMAGE).shape, axes_of(view)
    channels = view.input(WEIGHTS).shape[0]
    own = np.zeros(8, np.int64)
    for y, x in itertools.product(range(rows.stride), range(columns.stride)):
        taps = -(-(rows.window - y) // rows.stride) * -(-(columns.window - x) // columns.stride)
        quads = taps * image[3] // packing.QUAD
        lines = len(range((y - rows.before) % rows.stride, rows.size, rows.stride))
        count = len(range((x - columns.before) % columns.stride, columns.size, columns.stride))
        tiles = image[0] * lines * -(-count // 3)
        filters = packing.filters_work(tiles, channels, quads)
        own += np.array([tiles, tiles * taps, tiles * quads, *filters])
    at = image[0] * rows.size
    return TransposeConvTileWork(1, at, at * columns.stride, *map(int, own))


TRANSPOSE_CONV = Kernel("transpose_conv_tile", "transpose_conv_tile.h", _lower, _work, _applies)
