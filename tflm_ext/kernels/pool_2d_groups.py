"""AVERAGE_POOL_2D, groups of four channels at a time: pool_2d_groups.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Kernel
from tflm_ext.kernels.pool_2d import lower
from tflm_ext.opslib import pooling
from tflm_ext.opslib.windows import taps_inside


class PoolGroupsWork(NamedTuple):
    """Work of one call: pixels, their groups of four channels, rows of the windows, taps."""

    calls: int
    pixels: int
    groups: int
    rows: int
    taps: int


_MOST_PIXELS = 255  # whose sum stays within 16 bits


def _applies(view: NodeView) -> bool:
    rows, columns = pooling.axes(view)
    return view.input(0).shape[3] % 4 == 0 and rows.window * columns.window <= _MOST_PIXELS


def _work(view: NodeView) -> PoolGroupsWork:
    rows, columns = pooling.axes(view)
    batches, _, _, channels = view.output().shape
    groups = batches * channels // 4
    in_rows = groups * taps_inside(rows)
    pixels = rows.out * columns.out
    taps = in_rows * taps_inside(columns)
    return PoolGroupsWork(1, batches * pixels, groups * pixels, in_rows * columns.out, taps)


AVERAGE_POOL_2D = Kernel("average_pool_2d_groups", "pool_2d_groups.h", lower, _work, _applies)
