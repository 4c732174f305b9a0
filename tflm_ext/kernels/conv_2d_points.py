"""CONV_2D on fewer than three pixels: the kernels of FULLY_CONNECTED."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.kernels import fully_connected_any, fully_connected_tile
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.kernels.conv_2d_columns import filters_of, is_pointwise, pixels_of
from tflm_ext.kernels.fully_connected_tile import DenseTileWork


def _are_tile_points(view: NodeView) -> bool:
    """Whether a few pixels are each multiplied by a matrix."""
    return _are_points(view) and filters_of(view).has_pairs


def _are_points(view: NodeView) -> bool:
    return is_pointwise(view) and pixels_of(view) < 3


def _lower_tile(view: NodeView) -> KernelCall:
    return fully_connected_tile.lower(filters_of(view), pixels_of(view))


def _lower_any(view: NodeView) -> KernelCall:
    return fully_connected_any.lower(filters_of(view), pixels_of(view))


def _work(view: NodeView) -> DenseTileWork:
    return fully_connected_tile.work(view.input(1).shape[3], view.output())


CONV_2D_TILE = Kernel(
    fully_connected_tile.FULLY_CONNECTED.name,
    fully_connected_tile.FULLY_CONNECTED.header,
    _lower_tile,
    _work,
    _are_tile_points,
)
CONV_2D_ANY = Kernel(
    fully_connected_any.FULLY_CONNECTED.name,
    fully_connected_any.FULLY_CONNECTED.header,
    _lower_any,
    _work,
    _are_points,
)
