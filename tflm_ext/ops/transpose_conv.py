"""TRANSPOSE_CONV: the transpose of a convolution, used by Conv2DTranspose.

TFLM adds every input to 32-bit sums for the whole output. Here, every output gathers its inputs:
the same sums, without a buffer for them.
"""

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
from tflm_ext.opslib.windows import Axis, check_windows, slide

# Inputs of the operator; input 0 is the output's shape, which the output tensor also has.
WEIGHTS, IMAGE, BIAS = 1, 2, 3


@dataclass(frozen=True, slots=True)
class TransposeConvOptions:
    """Options of TRANSPOSE_CONV."""

    padding: Padding
    stride_height: int
    stride_width: int
    activation: Activation


def parse(table: Table | None) -> TransposeConvOptions:
    if table is None:
        return TransposeConvOptions(Padding.SAME, 0, 0, Activation.NONE)
    return TransposeConvOptions(
        padding=parse_padding(table.int8(0)),
        stride_width=table.int32(1),
        stride_height=table.int32(2),
        activation=parse_activation(table.int8(3)),
    )


def bias_of(view: NodeView) -> Tensor | None:
    return view.input(BIAS) if view.has_input(BIAS) else None


def axes_of(view: NodeView) -> tuple[Axis, Axis]:
    """Axes of the convolution that this operator transposes: from our output to our input."""
    o: TransposeConvOptions = view.options
    _, height, width, _ = view.output().shape
    _, window_height, window_width, _ = view.input(WEIGHTS).shape
    return (
        slide(height, window_height, o.stride_height, 1, o.padding),
        slide(width, window_width, o.stride_width, 1, o.padding),
    )


def check(view: NodeView) -> None:
    options: TransposeConvOptions = view.options
    check_counts(view, (3, 4))
    image, weights, out = view.input(IMAGE), view.input(WEIGHTS), view.output()
    check_int8(view, image, out)
    view.require(
        len(image.shape) == len(weights.shape) == len(out.shape) == 4,
        "its input, filter or output does not have 4 dimensions",
        "Use Conv1DTranspose or Conv2DTranspose; other numbers of dimensions are not supported.",
    )
    check_windows(view, options.stride_height, options.stride_width, *weights.shape[1:3])
    channels = weights.shape[0]
    check_shape(view, out, (image.shape[0], *out.shape[1:3], channels))
    rows, columns = axes_of(view)
    check_shape(view, image, (image.shape[0], rows.out, columns.out, weights.shape[3]))
    check_weights(view, weights, bias_of(view), 0, channels)
    check_accumulator(
        view,
        np.abs(weights.array().astype(np.int64)).sum((1, 2, 3)),
        bias_values(bias_of(view), channels),
        conv_multipliers(image, weights, out, channels)[1],
    )
    check_activation(view, options.activation, out)


def macs(view: NodeView) -> int:
    channels, height, width, _ = view.input(WEIGHTS).shape
    return view.input(IMAGE).elements * height * width * channels


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    weights, image = inputs[WEIGHTS], inputs[IMAGE]
    assert weights is not None
    assert image is not None
    out = view.output()
    rows, columns = axes_of(view)
    batches, _, _, channels = out.shape
    canvas = np.zeros(
        (
            batches,
            max(rows.before + rows.size, rows.out * rows.stride + rows.window),
            max(columns.before + columns.size, columns.out * columns.stride + columns.window),
            channels,
        ),
        np.int64,
    )
    centred = image.astype(np.int64) - zero_point(view.input(IMAGE))
    for y in range(rows.window):
        for x in range(columns.window):
            canvas[
                :,
                y : y + rows.out * rows.stride : rows.stride,
                x : x + columns.out * columns.stride : columns.stride,
            ] += centred @ weights[:, y, x].T.astype(np.int64)
    sums = canvas[
        :,
        rows.before : rows.before + rows.size,
        columns.before : columns.before + columns.size,
    ]
    multipliers, shifts = conv_multipliers(view.input(IMAGE), view.input(WEIGHTS), out, channels)
    scaled = multiply_by_quantized_multiplier(
        sums + bias_values(bias_of(view), channels), np.array(multipliers), np.array(shifts)
    )
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return (np.clip(scaled + zero_point(out), low, high).astype(np.int8),)


OPERATOR = Operator(
    name="TRANSPOSE_CONV",
    code=67,
    max_version=4,
    options_type=49,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    refuses="as CONV_2D; output shapes that are not constant",
)
