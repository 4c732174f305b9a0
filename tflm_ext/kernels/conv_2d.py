"""CONV_2D, one value after the other, any groups: conv_2d.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.arithmetic import activation_range
from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, requantization_tables
from tflm_ext.kernels.windows import filter_layout, forward_times, window_fields
from tflm_ext.ops.conv_2d import axes_of, bias_of
from tflm_ext.opslib.common import bias_values, conv_multipliers, scale, zero_point
from tflm_ext.opslib.windows import taps_inside


class ConvWork(NamedTuple):
    """Work of one call.

    Attributes:
        rows: of the windows of all outputs.
        row_taps: taps of the rows inside the image.
        taps: inside the image.
    """

    calls: int
    outputs: int
    rows: int
    row_taps: int
    taps: int
    products: int


def _lower(view: NodeView) -> KernelCall:
    image, weights, out = view.input(0), view.input(1), view.output()
    rows, columns = axes_of(view)
    channels, _, _, group_channels = weights.shape
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return KernelCall(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("input_channels", image.shape[3]),
            ("group_channels", group_channels),
            *window_fields(rows, columns),
            ("output_channels", channels),
            ("group_outputs", channels * group_channels // image.shape[3]),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
            ("output_min", low),
            ("output_max", high),
        ),
        arguments=(
            Input(0),
            Const("weights", DType.INT8, weights.data or b"", filter_layout(weights)),
            Const.of(
                "bias", DType.INT32, bias_values(bias_of(view), channels), f"[filter {channels}]"
            ),
            *requantization_tables(*conv_multipliers(image, weights, out, channels)),
            Output(),
        ),
        times=(forward_times(image.shape, rows, columns, channels, None),),
    )


def _work(view: NodeView) -> ConvWork:
    rows, columns = axes_of(view)
    filters = view.input(0).shape[0] * view.output().shape[3]
    in_rows = filters * taps_inside(rows)
    inside = in_rows * taps_inside(columns)
    outputs = view.output().elements
    return ConvWork(
        1,
        outputs,
        outputs * rows.window,
        in_rows * columns.out * columns.window,
        inside,
        inside * view.input(1).shape[3],
    )


CONV_2D = Kernel("conv_2d", "conv_2d.h", _lower, _work)
