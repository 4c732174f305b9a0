"""TRANSPOSE_CONV: the transpose of a convolution, as Conv2DTranspose uses it.

TFLM scatters every input into 32-bit sums of the whole output. Here every output gathers the
inputs that reach it: the same sums, without the memory for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import Activation, activation_range, multiply_by_quantized_multiplier
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import DType, NodeView, Tensor
from tflm_ext.ops import tile
from tflm_ext.ops.base import (
    Array,
    Call,
    Const,
    Input,
    Kernel,
    Operator,
    Output,
    Scratch,
    Work,
)
from tflm_ext.ops.common import (
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
    requantization_tables,
    scale,
    zero_point,
)
from tflm_ext.ops.windows import Axis, check_windows, slide, taps_inside

# Inputs of the operator; input 0 is the shape of the output, which the output has, too.
_WEIGHTS, _IMAGE, _BIAS = 1, 2, 3


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


def _bias(view: NodeView) -> Tensor | None:
    return view.input(_BIAS) if view.has_input(_BIAS) else None


def _axes(view: NodeView) -> tuple[Axis, Axis]:
    """The axes of the convolution of which this is the transpose: from our output to our input."""
    o: TransposeConvOptions = view.options
    _, height, width, _ = view.output().shape
    _, window_height, window_width, _ = view.input(_WEIGHTS).shape
    return (
        slide(height, window_height, o.stride_height, 1, o.padding),
        slide(width, window_width, o.stride_width, 1, o.padding),
    )


def check(view: NodeView) -> None:
    options: TransposeConvOptions = view.options
    check_counts(view, (3, 4))
    image, weights, out = view.input(_IMAGE), view.input(_WEIGHTS), view.output()
    check_int8(view, image, out)
    view.require(
        len(image.shape) == len(weights.shape) == len(out.shape) == 4,
        "its input, filter or output does not have four dimensions",
        "Use Conv1DTranspose or Conv2DTranspose; other ranks are not supported.",
    )
    check_windows(view, options.stride_height, options.stride_width, *weights.shape[1:3])
    channels = weights.shape[0]
    check_shape(view, out, (image.shape[0], *out.shape[1:3], channels))
    rows, columns = _axes(view)
    check_shape(view, image, (image.shape[0], rows.out, columns.out, weights.shape[3]))
    check_weights(view, weights, _bias(view), 0, channels)
    check_accumulator(
        view,
        np.abs(weights.array().astype(np.int64)).sum((1, 2, 3)),
        bias_values(_bias(view), channels),
        conv_multipliers(image, weights, out, channels)[1],
    )
    check_activation(view, options.activation, out)


def macs(view: NodeView) -> int:
    channels, height, width, _ = view.input(_WEIGHTS).shape
    return view.input(_IMAGE).elements * height * width * channels


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    weights, image = inputs[_WEIGHTS], inputs[_IMAGE]
    assert weights is not None
    assert image is not None
    out = view.output()
    rows, columns = _axes(view)
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
    centred = image.astype(np.int64) - zero_point(view.input(_IMAGE))
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
    multipliers, shifts = conv_multipliers(view.input(_IMAGE), view.input(_WEIGHTS), out, channels)
    scaled = multiply_by_quantized_multiplier(
        sums + bias_values(_bias(view), channels), np.array(multipliers), np.array(shifts)
    )
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return (np.clip(scaled + zero_point(out), low, high).astype(np.int8),)


def _fields(view: NodeView) -> tuple[tuple[str, int], ...]:
    """What the structs of both kernels begin with."""
    image, out = view.input(_IMAGE), view.output()
    rows, columns = _axes(view)
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


def _lower(view: NodeView) -> Call:
    image, weights, out = view.input(_IMAGE), view.input(_WEIGHTS), view.output()
    channels = weights.shape[0]
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return Call(
        fields=(
            *_fields(view),
            ("output_min", low),
            ("output_max", high),
        ),
        arguments=(
            Input(_IMAGE),
            Const("weights", DType.INT8, weights.data or b""),
            Const.of("bias", DType.INT32, bias_values(_bias(view), channels)),
            *requantization_tables(*conv_multipliers(image, weights, out, channels)),
            Output(),
        ),
    )


def _work(view: NodeView) -> Work:
    """Calls, outputs, rows of windows, taps, products."""
    rows, columns = _axes(view)
    out, depth = view.output(), view.input(_IMAGE).shape[3]
    in_rows = out.shape[0] * out.shape[3] * taps_inside(rows)
    taps = in_rows * taps_inside(columns)
    return 1, out.elements, in_rows * columns.size, taps, taps * depth


def _phases(view: NodeView) -> list[tile.Filters]:
    """Filters of the convolutions that the outputs of one rest, divided by the strides, are."""
    image, weights, out = view.input(_IMAGE), view.input(_WEIGHTS), view.output()
    o: TransposeConvOptions = view.options
    channels = weights.shape[0]
    limits = activation_range(o.activation, scale(out), zero_point(out))
    multipliers, shifts = conv_multipliers(image, weights, out, channels)
    phases = []
    for y, x in itertools.product(range(o.stride_height), range(o.stride_width)):
        taps = weights.array()[:, y :: o.stride_height, x :: o.stride_width]
        values = taps.reshape(channels, -1)
        bias = bias_values(_bias(view), channels).astype(np.int64)
        bias = bias - zero_point(image) * values.astype(np.int64).sum(1)
        phases.append(tile.make_filters(values, bias, multipliers, shifts, limits, zero_point(out)))
    return phases


def _tile_applies(view: NodeView) -> bool:
    rows, columns = _axes(view)
    return (
        view.input(_IMAGE).shape[3] % tile.QUAD == 0
        and rows.window >= rows.stride
        and columns.window >= columns.stride
        and columns.size >= 3 * columns.stride
        and all(filters.has_pairs for filters in _phases(view))
    )


def _lower_tile(view: NodeView) -> Call:
    image = view.input(_IMAGE)
    phases = _phases(view)
    quads = max(filters.values.shape[1] for filters in phases) // tile.QUAD
    stream = b"".join(tile.stream(filters).data for filters in phases)
    return Call(
        fields=_fields(view),
        arguments=(
            Input(_IMAGE),
            Const("weights", DType.INT32, stream),
            Scratch(3 * 2 * tile.QUAD * quads, DType.INT32),
            Scratch(image.shape[3]),
            Output(),
        ),
        limits=phases[0].limits,
    )


def _tile_work(view: NodeView) -> Work:
    """Calls, rows, those of each rest in width, tiles, their taps and quads, and their filters."""
    image, (rows, columns) = view.input(_IMAGE).shape, _axes(view)
    channels = view.input(_WEIGHTS).shape[0]
    own = np.zeros(8, np.int64)
    for y, x in itertools.product(range(rows.stride), range(columns.stride)):
        taps = -(-(rows.window - y) // rows.stride) * -(-(columns.window - x) // columns.stride)
        quads = taps * image[3] // tile.QUAD
        lines = len(range((y - rows.before) % rows.stride, rows.size, rows.stride))
        count = len(range((x - columns.before) % columns.stride, columns.size, columns.stride))
        tiles = image[0] * lines * -(-count // 3)
        filters = tile.tiles_work(tiles, channels, quads)
        own += np.array([tiles, tiles * taps, tiles * quads, *filters])
    at = image[0] * rows.size
    return 1, at, at * columns.stride, *map(int, own)


OPERATOR = Operator(
    name="TRANSPOSE_CONV",
    code=67,
    max_version=4,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    kernels=(
        Kernel(
            "transpose_conv_tile", "transpose_conv_tile.h", _lower_tile, _tile_work, _tile_applies
        ),
        Kernel("transpose_conv", "transpose_conv.h", _lower, _work),
    ),
)
