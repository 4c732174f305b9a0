"""CONV_2D with windows of one pixel, by tiles: conv_2d_tile.h."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels import packing
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output, Scratch, Times
from tflm_ext.kernels.conv_2d_columns import filters_of, is_pointwise, pixels_of
from tflm_ext.kernels.conv_2d_tile import has_tiles
from tflm_ext.opslib.common import zero_point


class PointwiseWork(NamedTuple):
    """Work of one call: FiltersWork, and the quads of tiles and of pixels left over."""

    calls: int
    tiles: int
    pairs: int
    pair_quads: int
    pair_rounds: int
    single: int
    single_quads: int
    quads: int
    left_quads: int


def _applies(view: NodeView) -> bool:
    aligned = view.input(1).shape[3] % packing.QUAD == 0
    return aligned and is_pointwise(view) and has_tiles(view)


def _lower(view: NodeView) -> KernelCall:
    filters = filters_of(view)
    channels, depth = filters.values.shape
    return KernelCall(
        fields=(
            ("input_channels", depth),
            ("output_channels", channels),
            ("pixels", pixels_of(view)),
            ("output_zero_point", zero_point(view.output())),
        ),
        arguments=(
            Input(0),
            packing.stream(filters),
            Scratch("columns", 3 * 2 * depth, DType.INT32),
            Output(),
        ),
        times=(_times(pixels_of(view), depth, channels),),
        limits=filters.limits,
    )


def _times(pixels: int, depth: int, channels: int) -> Times:
    """Three pixels at a time, forward unless the output has more channels, then backward."""
    steps = np.arange(pixels) // 3
    if channels > depth:
        steps = steps[::-1]
    return Times(np.repeat(steps, depth), np.repeat(steps, channels), anywhere=channels <= depth)


def _work(view: NodeView) -> PointwiseWork:
    channels, _, _, depth = view.input(1).shape
    whole, left = divmod(pixels_of(view), 3)
    quads = depth // packing.QUAD
    tiles = whole + min(left, 1)
    filters = packing.filters_work(tiles, channels, quads)
    return PointwiseWork(1, tiles, *filters, whole * quads, left * quads)


CONV_2D = Kernel("conv_2d_pointwise", "conv_2d_tile.h", _lower, _work, _applies)
