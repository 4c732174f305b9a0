"""TRANSPOSE_CONV, one value after the other: transpose_conv.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.arithmetic import activation_range
from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, requantization_tables
from tflm_ext.kernels.windows import filter_layout
from tflm_ext.ops.transpose_conv import IMAGE, WEIGHTS, axes_of, bias_of
from tflm_ext.opslib.common import bias_values, conv_multipliers, scale, zero_point
from tflm_ext.opslib.windows import taps_inside


class TransposeConvWork(NamedTuple):
    """Work of one call: outputs, rows of their windows, taps, products."""

    calls: int
    outputs: int
    rows: int
    taps: int
    products: int


def fields_of(view: NodeView) -> tuple[tuple[str, int], ...]:
    """The first fields of both kernels."""
    image, out = view.input(IMAGE), view.output()
    rows, columns = axes_of(view)
    return (
        ("batches", image.shape[0]),
        ("input_height", rows.out),
        ("input_width", columns.out),
        ("input_channels", image.shape[3]),
        ("filter_height", rows.window),
        ("filter_width", columns.window),
        ("stride_height", rows.stride),
        ("stride_width", columns.stride),
        ("pad_top", rows.before),
        ("pad_left", columns.before),
        ("output_height", rows.size),
        ("output_width", columns.size),
        ("output_channels", out.shape[3]),
        ("input_zero_point", zero_point(image)),
        ("output_zero_point", zero_point(out)),
    )


def _lower(view: NodeView) -> KernelCall:
    image, weights, out = view.input(IMAGE), view.input(WEIGHTS), view.output()
    channels = weights.shape[0]
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return KernelCall(
        fields=(
            *fields_of(view),
            ("output_min", low),
            ("output_max", high),
        ),
        arguments=(
            Input(IMAGE),
            Const("weights", DType.INT8, weights.data or b"", filter_layout(weights)),
            Const.of(
                "bias", DType.INT32, bias_values(bias_of(view), channels), f"[filter {channels}]"
            ),
            *requantization_tables(*conv_multipliers(image, weights, out, channels)),
            Output(),
        ),
    )


def _work(view: NodeView) -> TransposeConvWork:
    rows, columns = axes_of(view)
    out, depth = view.output(), view.input(IMAGE).shape[3]
    in_rows = out.shape[0] * out.shape[3] * taps_inside(rows)
    taps = in_rows * taps_inside(columns)
    return TransposeConvWork(1, out.elements, in_rows * columns.size, taps, taps * depth)


TRANSPOSE_CONV = Kernel("transpose_conv", "transpose_conv.h", _lower, _work)
