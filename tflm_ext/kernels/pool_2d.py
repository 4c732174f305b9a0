"""AVERAGE_POOL_2D and MAX_POOL_2D, one value after the other: pool_2d.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output
from tflm_ext.kernels.windows import channel_times
from tflm_ext.opslib.pooling import axes, limits
from tflm_ext.opslib.windows import taps_inside


class PoolWork(NamedTuple):
    """Work of one call, with several windows or with a single one.

    For a single window, the compiler knows which part of the image it covers.

    Attributes:
        outputs, single_outputs: values computed.
        rows, single_rows: of all windows, inside the image.
        taps, single_taps: values read.
    """

    calls: int
    outputs: int
    rows: int
    taps: int
    single_outputs: int
    single_rows: int
    single_taps: int


def lower(view: NodeView) -> KernelCall:
    """The call of a pooling kernel."""
    image = view.input(0)
    rows, columns = axes(view)
    low, high = limits(view)
    return KernelCall(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("channels", image.shape[3]),
            ("window_height", rows.window),
            ("window_width", columns.window),
            ("stride_height", rows.stride),
            ("stride_width", columns.stride),
            ("pad_top", rows.before),
            ("pad_left", columns.before),
            ("output_height", rows.out),
            ("output_width", columns.out),
            ("output_min", low),
            ("output_max", high),
        ),
        arguments=(Input(0), Output()),
        times=channel_times(image.shape, rows, columns),
    )


def _work(view: NodeView) -> PoolWork:
    rows, columns = axes(view)
    out = view.output()
    in_rows = out.shape[0] * out.shape[3] * taps_inside(rows)
    own = (out.elements, in_rows * columns.out, in_rows * taps_inside(columns))
    none = (0, 0, 0)
    single = rows.out == columns.out == 1
    return PoolWork(1, *(none if single else own), *(own if single else none))


AVERAGE_POOL_2D = Kernel("average_pool_2d", "pool_2d.h", lower, _work)
MAX_POOL_2D = Kernel("max_pool_2d", "pool_2d.h", lower, _work)
