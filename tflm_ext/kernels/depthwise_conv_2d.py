"""DEPTHWISE_CONV_2D, one value after the other, any depth multiplier: depthwise_conv_2d.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.arithmetic import activation_range
from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, requantization_tables
from tflm_ext.kernels.windows import channel_times, window_fields
from tflm_ext.ops.depthwise_conv_2d import axes_of, bias_of
from tflm_ext.opslib.common import bias_values, conv_multipliers, scale, zero_point
from tflm_ext.opslib.windows import taps_inside


class DepthwiseWork(NamedTuple):
    """Work of one call.

    Attributes:
        rows: of the windows of all outputs.
        row_taps: taps of the rows inside the image.
        taps: inside the image.
    """

    calls: int
    pixels: int
    outputs: int
    rows: int
    row_taps: int
    taps: int


def _lower(view: NodeView) -> KernelCall:
    image, weights, out = view.input(0), view.input(1), view.output()
    rows, columns = axes_of(view)
    channels = weights.shape[3]
    multiplier: int = view.options.depth_multiplier
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return KernelCall(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("input_channels", image.shape[3]),
            ("depth_multiplier", multiplier),
            *window_fields(rows, columns),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
            ("output_min", low),
            ("output_max", high),
        ),
        arguments=(
            Input(0),
            Const(
                "weights",
                DType.INT8,
                weights.data or b"",
                f"[y {rows.window}][x {columns.window}][channel {channels}]",
            ),
            Const.of(
                "bias", DType.INT32, bias_values(bias_of(view), channels), f"[channel {channels}]"
            ),
            *requantization_tables(*conv_multipliers(image, weights, out, channels)),
            Output(),
        ),
        times=channel_times(image.shape, rows, columns) if multiplier == 1 else (),
    )


def _work(view: NodeView) -> DepthwiseWork:
    rows, columns = axes_of(view)
    out = view.output()
    filters = out.shape[0] * out.shape[3]
    in_rows = filters * taps_inside(rows)
    return DepthwiseWork(
        1,
        out.elements // out.shape[3],
        out.elements,
        out.elements * rows.window,
        in_rows * columns.out * columns.window,
        in_rows * taps_inside(columns),
    )


DEPTHWISE_CONV_2D = Kernel("depthwise_conv_2d", "depthwise_conv_2d.h", _lower, _work)
