"""CONV_2D: dense and grouped convolution, dilated, one or many weight scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

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
    Times,
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
from tflm_ext.ops.windows import (
    Axis,
    check_windows,
    forward_times,
    patches,
    slide,
    taps_inside,
)


@dataclass(frozen=True, slots=True)
class Conv2DOptions:
    """Options of CONV_2D; the border is that of a PAD before it: top, bottom, left, right."""

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


def _bias(view: NodeView) -> Tensor | None:
    return view.input(2) if view.has_input(2) else None


def _axes(view: NodeView) -> tuple[Axis, Axis]:
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
        "its input or filter does not have four dimensions",
        "Use Conv1D or Conv2D; CONV_2D of other ranks is not supported.",
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
        f"{image.shape[3]} input channels do not fit a filter of {list(weights.shape)}",
        "The file is damaged or was written by an unknown converter.",
    )
    rows, columns = _axes(view)
    check_shape(view, out, (image.shape[0], rows.out, columns.out, channels))
    check_weights(view, weights, _bias(view), 0, channels)
    check_accumulator(
        view,
        np.abs(weights.array().astype(np.int64)).sum((1, 2, 3)),
        bias_values(_bias(view), channels),
        conv_multipliers(image, weights, out, channels)[1],
    )
    check_activation(view, options.activation, out)


def macs(view: NodeView) -> int:
    return view.output().elements * int(np.prod(view.input(1).shape[1:]))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    image, weights = inputs[0], inputs[1]
    assert image is not None and weights is not None
    rows, columns = _axes(view)
    channels, _, _, group_channels = weights.shape
    groups = image.shape[3] // group_channels
    centred = image.astype(np.float64) - zero_point(view.input(0))
    windows = patches(centred, rows, columns, 0)
    sums = np.empty((*windows.shape[:3], channels), np.float64)
    for group in range(groups):
        ins = slice(group * group_channels, (group + 1) * group_channels)
        outs = slice(group * (channels // groups), (group + 1) * (channels // groups))
        # Integers below 2**53 are exact in float64, and BLAS is many times faster with those.
        sums[..., outs] = np.tensordot(
            windows[..., ins], weights[outs].astype(np.float64), ((3, 4, 5), (1, 2, 3))
        )
    return (requantize(view, sums.astype(np.int64) + bias_values(_bias(view), channels)),)


def requantize(view: NodeView, sums: Array) -> Array:
    """Sums to the int8 output of a convolution with these inputs, weights and output."""
    out = view.output()
    multipliers, shifts = conv_multipliers(view.input(0), view.input(1), out, out.shape[3])
    scaled = multiply_by_quantized_multiplier(sums, np.array(multipliers), np.array(shifts))
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    result: Array = np.clip(scaled + zero_point(out), low, high).astype(np.int8)
    return result


def _lower(view: NodeView) -> Call:
    image, weights, out = view.input(0), view.input(1), view.output()
    rows, columns = _axes(view)
    channels, _, _, group_channels = weights.shape
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return Call(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("input_channels", image.shape[3]),
            ("group_channels", group_channels),
            ("filter_height", rows.window),
            ("filter_width", columns.window),
            ("stride_height", rows.stride),
            ("stride_width", columns.stride),
            ("dilation_height", rows.dilation),
            ("dilation_width", columns.dilation),
            ("pad_top", rows.before),
            ("pad_left", columns.before),
            ("output_height", rows.out),
            ("output_width", columns.out),
            ("output_channels", channels),
            ("group_outputs", channels * group_channels // image.shape[3]),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
            ("output_min", low),
            ("output_max", high),
        ),
        arguments=(
            Input(0),
            Const("weights", DType.INT8, weights.data or b""),
            Const.of("bias", DType.INT32, bias_values(_bias(view), channels)),
            *requantization_tables(*conv_multipliers(image, weights, out, channels)),
            Output(),
        ),
        times=(forward_times(image.shape, rows, columns, channels, None),),
    )


def _work(view: NodeView) -> Work:
    """Calls, outputs, rows of windows, taps of rows inside, taps inside, products."""
    rows, columns = _axes(view)
    filters = view.input(0).shape[0] * view.output().shape[3]
    in_rows = filters * taps_inside(rows)
    inside = in_rows * taps_inside(columns)
    outputs = view.output().elements
    return (
        1,
        outputs,
        outputs * rows.window,
        in_rows * columns.out * columns.window,
        inside,
        inside * view.input(1).shape[3],
    )


def _filters(view: NodeView) -> Array:
    """(output channels, values of a column)."""
    weights = view.input(1).array()
    return weights.reshape(weights.shape[0], -1)


def _folded_bias(view: NodeView) -> Array:
    """Bias less what the input's zero point adds to every sum, taps outside the image included."""
    filters = _filters(view).astype(np.int64)
    bias = bias_values(_bias(view), len(filters)).astype(np.int64)
    folded: Array = bias - zero_point(view.input(0)) * filters.sum(1)
    return folded


def _tile_filters(view: NodeView) -> tile.Filters:
    image, weights, out = view.input(0), view.input(1), view.output()
    limits = activation_range(view.options.activation, scale(out), zero_point(out))
    multipliers, shifts = conv_multipliers(image, weights, out, weights.shape[0])
    return tile.make_filters(
        _filters(view), _folded_bias(view), multipliers, shifts, limits, zero_point(out)
    )


def _pixels(view: NodeView) -> int:
    """Of the output, in all images of the batch."""
    out = view.output()
    return out.elements // out.shape[3]


def _any_applies(view: NodeView) -> bool:
    grouped = view.input(0).shape[3] != view.input(1).shape[3]
    return not grouped and _pixels(view) >= 3


def _tile_applies(view: NodeView) -> bool:
    return _any_applies(view) and _tile_filters(view).has_pairs


def _in_order(filters: tile.Filters, rows: int) -> tile.Filters:
    """Filters of so many rows in the order of a column: whole quads of each row, then the rests."""
    by_row = filters.values.reshape(len(filters.values), rows, -1)
    whole = by_row.shape[2] // tile.QUAD * tile.QUAD
    parts = (by_row[..., :whole], by_row[..., whole:])
    values = np.concatenate([part.reshape(len(by_row), -1) for part in parts], axis=1)
    return replace(filters, values=values)


def _lower_tile(view: NodeView) -> Call:
    return _lower_columns(view, tile.stream)


def _lower_any(view: NodeView) -> Call:
    return _lower_columns(view, partial(tile.plain_stream, rows=2, multiple=tile.QUAD, filled=True))


def _lower_columns(view: NodeView, stream: Callable[[tile.Filters], Const]) -> Call:
    """The call of a kernel that makes columns of windows."""
    filters = _tile_filters(view)
    image, weights, out = view.input(0), view.input(1), view.output()
    rows, columns = _axes(view)
    channels, _, _, depth = weights.shape
    size = filters.values.shape[1]
    quads = -(-size // tile.QUAD)
    row_quads, rest = divmod(columns.window * depth, tile.QUAD)
    rest_quads = -(-rows.window * rest // tile.QUAD)
    row = columns.window * depth
    padding = depth if depth % tile.QUAD == 0 else 4 * row + 3 * tile.QUAD * rest_quads
    return Call(
        fields=(
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("input_channels", depth),
            ("filter_height", rows.window),
            ("filter_width", columns.window),
            ("stride_height", rows.stride),
            ("stride_width", columns.stride),
            ("dilation_height", rows.dilation),
            ("dilation_width", columns.dilation),
            ("pad_top", rows.before),
            ("pad_left", columns.before),
            ("output_height", rows.out),
            ("output_width", columns.out),
            ("output_channels", channels),
            ("pixels", _pixels(view)),
            ("quads", quads),
            ("row_quads", row_quads),
            ("row_rest", rest),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
        ),
        arguments=(
            Input(0),
            stream(_in_order(filters, rows.window)),
            Scratch(3 * 2 * tile.QUAD * quads, DType.INT32),
            Scratch(padding),
            Output(),
        ),
        times=(forward_times(image.shape, rows, columns, channels, 3),),
        limits=filters.limits,
    )


def _tile_work(view: NodeView) -> Work:
    """What every tile takes, its filters, and how its columns come about.

    Calls, tiles, filters; tiles inside, their rows after the first; rows of three windows, how
    often bytes of these are widened, quads and single bytes of them; at the border taps, or rows,
    and of these the taps that are copied, and their bytes.
    """
    rows, columns = _axes(view)
    pixels = _pixels(view)
    channels, _, _, depth = view.input(1).shape
    tiles = -(-pixels // 3)
    row_quads, rest = divmod(columns.window * depth, tile.QUAD)
    rest_quads = -(-rows.window * rest // tile.QUAD)
    pixel = np.minimum(3 * np.arange(tiles), pixels - 3)[:, np.newaxis] + np.arange(3)
    top = pixel // columns.out % rows.out * rows.stride - rows.before
    left = pixel % columns.out * columns.stride - columns.before
    in_width = (left >= 0) & (left + columns.window <= columns.size) & (columns.dilation == 1)
    bottom = top + (rows.window - 1) * rows.dilation
    border = ~np.all((top >= 0) & (bottom < rows.size) & in_width, axis=1)
    at_border = int(np.count_nonzero(border))
    if depth % tile.QUAD == 0:
        by_rows, border_taps, border_rows, copied = tiles - at_border, at_border, 0, 0
    else:
        by_rows, border_taps, border_rows = tiles, 0, at_border
        y = top[..., np.newaxis] + np.arange(rows.window) * rows.dilation
        inside = np.count_nonzero((y >= 0) & (y < rows.size), axis=2)
        copied = int(inside[border[:, np.newaxis] & ~in_width].sum()) * columns.window
    border_taps *= rows.window * columns.window
    return (
        1,
        tiles,
        *tile.tiles_work(tiles, channels, rows.window * row_quads + rest_quads),
        tiles - at_border,
        (tiles - at_border) * (rows.window - 1),
        by_rows * rows.window,
        by_rows * (rows.window * (row_quads > 0) + (rest > 0)),
        by_rows * (rows.window * row_quads + rest_quads) + border_taps * depth // tile.QUAD,
        by_rows * rows.window * rest,
        border_taps,
        border_rows * rows.window,
        copied,
        copied * depth,
    )


def _is_pointwise(view: NodeView) -> bool:
    image, weights, out = view.input(0), view.input(1), view.output()
    grouped = image.shape[3] != weights.shape[3]
    return weights.shape[1:3] == (1, 1) and image.shape[:3] == out.shape[:3] and not grouped


def _pointwise_applies(view: NodeView) -> bool:
    aligned = view.input(1).shape[3] % tile.QUAD == 0
    return aligned and _is_pointwise(view) and _tile_applies(view)


def _lower_pointwise(view: NodeView) -> Call:
    filters = _tile_filters(view)
    channels, depth = filters.values.shape
    return Call(
        fields=(
            ("input_channels", depth),
            ("output_channels", channels),
            ("pixels", _pixels(view)),
            ("output_zero_point", zero_point(view.output())),
        ),
        arguments=(
            Input(0),
            tile.stream(filters),
            Scratch(3 * 2 * depth, DType.INT32),
            Output(),
        ),
        times=(_pointwise_times(_pixels(view), depth, channels),),
        limits=filters.limits,
    )


def _pointwise_times(pixels: int, depth: int, channels: int) -> Times:
    """Three pixels at a time, forward where they do not grow, else backward."""
    steps = np.arange(pixels) // 3
    if channels > depth:
        steps = steps[::-1]
    return Times(np.repeat(steps, depth), np.repeat(steps, channels), anywhere=channels <= depth)


def _pointwise_work(view: NodeView) -> Work:
    """Calls, tiles, filters, quads taken, those of pixels that are left over."""
    channels, _, _, depth = view.input(1).shape
    whole, left = divmod(_pixels(view), 3)
    quads = depth // tile.QUAD
    tiles = whole + min(left, 1)
    return 1, tiles, *tile.tiles_work(tiles, channels, quads), whole * quads, left * quads


def _points_apply(view: NodeView) -> bool:
    """Whether it is a matrix times each of a few pixels."""
    return _any_points_apply(view) and _tile_filters(view).has_pairs


def _any_points_apply(view: NodeView) -> bool:
    return _is_pointwise(view) and _pixels(view) < 3


def _lower_points(view: NodeView) -> Call:
    return tile.fully_connected(_tile_filters(view), _pixels(view))


def _lower_any_points(view: NodeView) -> Call:
    return tile.fully_connected_any(_tile_filters(view), _pixels(view))


def _points_work(view: NodeView) -> Work:
    return tile.fully_connected_work(view.input(1).shape[3], view.output())


OPERATOR = Operator(
    name="CONV_2D",
    code=3,
    max_version=8,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    kernels=(
        Kernel(
            "conv_2d_pointwise",
            "conv_2d_tile.h",
            _lower_pointwise,
            _pointwise_work,
            _pointwise_applies,
        ),
        Kernel("conv_2d_tile", "conv_2d_tile.h", _lower_tile, _tile_work, _tile_applies),
        Kernel(
            "fully_connected_tile",
            "fully_connected_tile.h",
            _lower_points,
            _points_work,
            _points_apply,
        ),
        Kernel("conv_2d_any", "conv_2d_any.h", _lower_any, _tile_work, _any_applies),
        Kernel(
            "fully_connected_any",
            "fully_connected_any.h",
            _lower_any_points,
            _points_work,
            _any_points_apply,
        ),
        Kernel("conv_2d", "conv_2d.h", _lower, _work),
    ),
)
