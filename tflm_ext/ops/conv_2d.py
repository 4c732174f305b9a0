"""CONV_2D: dense and grouped, dilated, with one weight scale or one per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import Activation, activation_range, multiply_by_quantized_multiplier
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView, Tensor
from tflm_ext.opslib.base import (
    Array,
    Operator,
)
from tflm_ext.opslib.common import (
    Padding,
    bias_values,
    check_accumulator,
    check_activation,
    check_counts,
    check_int8,
    check_shape,
    check_weights,
    conv_multipliers,
    parse_activation,
    parse_padding,
    scale,
    zero_point,
)
from tflm_ext.opslib.windows import (
    Axis,
    check_windows,
    patches,
    slide,
)


@dataclass(frozen=True, slots=True)
class Conv2DOptions:
    """Options of CONV_2D; `border` comes from a PAD merged into it: top, bottom, left, right."""

    padding: Padding
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    activation: Activation
    border: tuple[int, int, int, int] = (0, 0, 0, 0)


def parse(table: Table | None) -> Conv2DOptions:
    if table is None:
        return Conv2DOptions(Padding.SAME, 0, 0, 1, 1, Activation.NONE)
    return Conv2DOptions(
        padding=parse_padding(table.int8(0)),
        stride_width=table.int32(1),
        stride_height=table.int32(2),
        activation=parse_activation(table.int8(3)),
        dilation_width=table.int32(4, 1),
        dilation_height=table.int32(5, 1),
    )


def bias_of(view: NodeView) -> Tensor | None:
    return view.input(2) if view.has_input(2) else None


def axes_of(view: NodeView) -> tuple[Axis, Axis]:
    o: Conv2DOptions = view.options
    _, height, width, _ = view.input(0).shape
    _, window_height, window_width, _ = view.input(1).shape
    top, bottom, left, right = o.border
    return (
        slide(height, window_height, o.stride_height, o.dilation_height, o.padding, (top, bottom)),
        slide(width, window_width, o.stride_width, o.dilation_width, o.padding, (left, right)),
    )


def check(view: NodeView) -> None:
    options: Conv2DOptions = view.options
    check_counts(view, (2, 3))
    image, weights, out = view.input(0), view.input(1), view.output()
    check_int8(view, image, out)
    view.require(
        len(image.shape) == 4 and len(weights.shape) == 4,
        "its input or filter does not have 4 dimensions",
        "Use Conv1D or Conv2D; other numbers of dimensions are not supported.",
    )
    check_windows(
        view,
        options.stride_height,
        options.stride_width,
        options.dilation_height,
        options.dilation_width,
        *weights.shape[1:3],
    )
    channels, group_channels = weights.shape[0], weights.shape[3]
    groups = image.shape[3] // group_channels
    view.require(
        image.shape[3] % group_channels == 0 and channels % groups == 0,
        f"{image.shape[3]} input channels do not match a filter with the shape "
        f"{list(weights.shape)}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )
    rows, columns = axes_of(view)
    check_shape(view, out, (image.shape[0], rows.out, columns.out, channels))
    check_weights(view, weights, bias_of(view), 0, channels)
    check_accumulator(
        view,
        np.abs(weights.array().astype(np.int64)).sum((1, 2, 3)),
        bias_values(bias_of(view), channels),
        conv_multipliers(image, weights, out, channels)[1],
    )
    check_activation(view, options.activation, out)


def macs(view: NodeView) -> int:
    return view.output().elements * int(np.prod(view.input(1).shape[1:]))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    image, weights = inputs[0], inputs[1]
    assert image is not None and weights is not None
    rows, columns = axes_of(view)
    channels, _, _, group_channels = weights.shape
    groups = image.shape[3] // group_channels
    centred = image.astype(np.float64) - zero_point(view.input(0))
    windows = patches(centred, rows, columns, 0)
    sums = np.empty((*windows.shape[:3], channels), np.float64)
    for group in range(groups):
        ins = slice(group * group_channels, (group + 1) * group_channels)
        outs = slice(group * (channels // groups), (group + 1) * (channels // groups))
        # Integers below 2**53 are exact in float64, for which BLAS is many times faster.
        sums[..., outs] = np.tensordot(
            windows[..., ins], weights[outs].astype(np.float64), ((3, 4, 5), (1, 2, 3))
        )
    return (requantize(view, sums.astype(np.int64) + bias_values(bias_of(view), channels)),)


def requantize(view: NodeView, sums: Array) -> Array:
    """Requantise the sums of a convolution, apply its activation: its int8 output."""
    out = view.output()
    multipliers, shifts = conv_multipliers(view.input(0), view.input(1), out, out.shape[3])
    scaled = multiply_by_quantized_multiplier(sums, np.array(multipliers), np.array(shifts))
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    result: Array = np.clip(scaled + zero_point(out), low, high).astype(np.int8)
    return result


OPERATOR = Operator(
    name="CONV_2D",
    code=3,
    max_version=8,
    options_type=1,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    refuses=(
        "filters or biases that are not constant; filters with a zero point; images without "
        "exactly 4 dimensions; sums that do not fit into 32 bits"
    ),
)
