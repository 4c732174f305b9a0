"""CONV_2D by tiles of three windows and two filters: conv_2d_tile.h."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.kernels import packing
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.kernels.conv_2d_columns import applies, filters_of, lower_columns, work


def has_tiles(view: NodeView) -> bool:
    return applies(view) and filters_of(view).has_pairs


def _lower(view: NodeView) -> KernelCall:
    return lower_columns(view, packing.stream)


CONV_2D = Kernel("conv_2d_tile", "conv_2d_tile.h", _lower, work, has_tiles)
