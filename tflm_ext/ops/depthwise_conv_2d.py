"""DEPTHWISE_CONV_2D: one or more filters per channel, dilated or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import Activation
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView, Tensor
from tflm_ext.ops.conv_2d import requantize
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
    zero_point,
)
from tflm_ext.opslib.windows import Axis, check_windows, patches, slide


@dataclass(frozen=True, slots=True)
class DepthwiseConv2DOptions:
    """Options of DEPTHWISE_CONV_2D; `border` comes from a merged PAD: top, bottom, left, right."""

    padding: Padding
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    depth_multiplier: int
    activation: Activation
    border: tuple[int, int, int, int] = (0, 0, 0, 0)


def parse(table: Table | None) -> DepthwiseConv2DOptions:
    if table is None:
        return DepthwiseConv2DOptions(Padding.SAME, 0, 0, 1, 1, 0, Activation.NONE)
    return DepthwiseConv2DOptions(
        padding=parse_padding(table.int8(0)),
        stride_width=table.int32(1),
        stride_height=table.int32(2),
        depth_multiplier=table.int32(3),
        activation=parse_activation(table.int8(4)),
        dilation_width=table.int32(5, 1),
        dilation_height=table.int32(6, 1),
    )


def bias_of(view: NodeView) -> Tensor | None:
    return view.input(2) if view.has_input(2) else None


def axes_of(view: NodeView) -> tuple[Axis, Axis]:
    o: DepthwiseConv2DOptions = view.options
    _, height, width, _ = view.input(0).shape
    _, window_height, window_width, _ = view.input(1).shape
    top, bottom, left, right = o.border
    return (
        slide(height, window_height, o.stride_height, o.dilation_height, o.padding, (top, bottom)),
        slide(width, window_width, o.stride_width, o.dilation_width, o.padding, (left, right)),
    )


def check(view: NodeView) -> None:
    options: DepthwiseConv2DOptions = view.options
    check_counts(view, (2, 3))
    image, weights, out = view.input(0), view.input(1), view.output()
    check_int8(view, image, out)
    view.require(
        len(image.shape) == 4 and len(weights.shape) == 4,
        "its input or filter does not have 4 dimensions",
        "Use DepthwiseConv1D or DepthwiseConv2D; other numbers of dimensions are not supported.",
    )
    check_windows(
        view,
        options.stride_height,
        options.stride_width,
        options.dilation_height,
        options.dilation_width,
        *weights.shape[1:3],
    )
    channels = weights.shape[3]
    view.require(
        weights.shape[0] == 1 and channels == image.shape[3] * options.depth_multiplier,
        f"{image.shape[3]} input channels with the depth multiplier {options.depth_multiplier} do "
        f"not match a filter with the shape {list(weights.shape)}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )
    rows, columns = axes_of(view)
    check_shape(view, out, (image.shape[0], rows.out, columns.out, channels))
    check_weights(view, weights, bias_of(view), 3, channels)
    check_accumulator(
        view,
        np.abs(weights.array().astype(np.int64)).sum((0, 1, 2)),
        bias_values(bias_of(view), channels),
        conv_multipliers(image, weights, out, channels)[1],
    )
    check_activation(view, options.activation, out)


def macs(view: NodeView) -> int:
    _, height, width, _ = view.input(1).shape
    return view.output().elements * height * width


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    image, weights = inputs[0], inputs[1]
    assert image is not None
    assert weights is not None
    rows, columns = axes_of(view)
    centred = image.astype(np.int64) - zero_point(view.input(0))
    windows = patches(centred, rows, columns, 0)
    per_input = weights[0].astype(np.int64).reshape(rows.window, columns.window, image.shape[3], -1)
    sums = np.einsum("bhwyxc,yxcm->bhwcm", windows, per_input).reshape(view.output().shape)
    return (requantize(view, sums + bias_values(bias_of(view), weights.shape[3])),)


OPERATOR = Operator(
    name="DEPTHWISE_CONV_2D",
    code=4,
    max_version=6,
    options_type=2,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    refuses="as CONV_2D",
)
