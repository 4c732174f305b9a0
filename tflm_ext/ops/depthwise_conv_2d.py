"""DEPTHWISE_CONV_2D: every channel with its own filters, one or several each, dilated or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tflm_ext.arithmetic import Activation, activation_range
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
from tflm_ext.ops.conv_2d import requantize
from tflm_ext.ops.windows import Axis, channel_times, check_windows, patches, slide, taps_inside


@dataclass(frozen=True, slots=True)
class DepthwiseConv2DOptions:
    """Options of DEPTHWISE_CONV_2D; the border is that of a PAD: top, bottom, left, right."""

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


def _bias(view: NodeView) -> Tensor | None:
    return view.input(2) if view.has_input(2) else None


def _axes(view: NodeView) -> tuple[Axis, Axis]:
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
        "its input or filter does not have four dimensions",
        "Use DepthwiseConv1D or DepthwiseConv2D; other ranks are not supported.",
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
        f"{image.shape[3]} input channels times {options.depth_multiplier} do not fit a filter of "
        f"{list(weights.shape)}",
        "The file is damaged or was written by an unknown converter.",
    )
    rows, columns = _axes(view)
    check_shape(view, out, (image.shape[0], rows.out, columns.out, channels))
    check_weights(view, weights, _bias(view), 3, channels)
    check_accumulator(
        view,
        np.abs(weights.array().astype(np.int64)).sum((0, 1, 2)),
        bias_values(_bias(view), channels),
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
    rows, columns = _axes(view)
    centred = image.astype(np.int64) - zero_point(view.input(0))
    windows = patches(centred, rows, columns, 0)
    per_input = weights[0].astype(np.int64).reshape(rows.window, columns.window, image.shape[3], -1)
    sums = np.einsum("bhwyxc,yxcm->bhwcm", windows, per_input).reshape(view.output().shape)
    return (requantize(view, sums + bias_values(_bias(view), weights.shape[3])),)


def _lower(view: NodeView) -> Call:
    image, weights, out = view.input(0), view.input(1), view.output()
    rows, columns = _axes(view)
    channels = weights.shape[3]
    multiplier: int = view.options.depth_multiplier
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return Call(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("input_channels", image.shape[3]),
            ("depth_multiplier", multiplier),
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
        times=channel_times(image.shape, rows, columns) if multiplier == 1 else (),
    )


def _work(view: NodeView) -> Work:
    """Calls, pixels, outputs, rows of windows, taps of rows inside, taps inside."""
    rows, columns = _axes(view)
    out = view.output()
    filters = out.shape[0] * out.shape[3]
    in_rows = filters * taps_inside(rows)
    return (
        1,
        out.elements // out.shape[3],
        out.elements,
        out.elements * rows.window,
        in_rows * columns.out * columns.window,
        in_rows * taps_inside(columns),
    )


_LANES = 4  # channels of a line


def _folded_bias(view: NodeView) -> Array:
    """Bias less what the input's zero point adds to every sum, taps outside the image included."""
    sums = view.input(1).array().astype(np.int64).sum((0, 1, 2))
    bias = bias_values(_bias(view), len(sums)).astype(np.int64)
    folded: Array = bias - zero_point(view.input(0)) * sums
    return folded


def _filters(view: NodeView) -> tile.Filters:
    image, weights, out = view.input(0), view.input(1), view.output()
    channels = weights.shape[3]
    limits = activation_range(view.options.activation, scale(out), zero_point(out))
    multipliers, shifts = conv_multipliers(image, weights, out, channels)
    taps = weights.array().reshape(-1, channels).T
    return tile.make_filters(taps, _folded_bias(view), multipliers, shifts, limits, zero_point(out))


def _numbers(filters: tile.Filters) -> Array:
    """(channels, 2 or 3): in the table of kernels that expand it."""
    return filters.numbers if filters.has_numbers else filters.scales


def _words(taps: Array) -> Array:
    """(channels, words) of taps (channels, ...): four bytes in a word."""
    data = np.ascontiguousarray(taps.astype(np.int8)).reshape(len(taps), -1)
    words: Array = data.view("<i4").astype(np.int64)
    return words


def _fours_times(
    image: tuple[int, ...],
    taken: Array,
    out: tuple[int, int],
    written: Array,
    rounds: int,
    *,
    rows_first: bool = False,
) -> tuple[Times, ...]:
    """Of a kernel that goes through rows of four channels at a time.

    Args:
        image: (batch, height, width, channels) of the input. Where the channels are no multiple of
            four, some are computed again after they were overwritten.
        taken: (rows of the input,), the round in which each is read; -1 if never.
        out: height and width of the output.
        written: (rows of the output,), the round in which each is written.
        rounds: of each image.
        rows_first: whether all channels of a round come before the next round.
    """
    batches, _, width, channels = image
    if channels % _LANES:
        return ()
    fours = channels // _LANES
    batch = np.arange(batches).reshape(-1, 1, 1, 1)
    four = np.arange(channels) // _LANES

    def steps(round_of_row: Array, columns: int) -> Array:
        of_row = round_of_row.reshape(1, -1, 1, 1)
        if rows_first:
            found = (batch * rounds + of_row) * fours + four
        else:
            found = (batch * fours + four) * rounds + of_row
        found = np.where(of_row < 0, -1, found)
        return np.broadcast_to(found, (batches, of_row.size, columns, channels)).reshape(-1)

    return (Times(steps(taken, width), steps(written, out[1])),)


def _3x3_applies(view: NodeView) -> bool:
    rows, columns = _axes(view)
    return (
        (rows.window, columns.window) == (3, 3)
        and rows.stride == columns.stride <= 2
        and rows.dilation == columns.dilation == 1
        and view.options.depth_multiplier == 1
        and view.input(0).shape[3] >= _LANES
        and columns.before <= 2
        and _filters(view).has_scales
    )


def _lower_3x3(view: NodeView) -> Call:
    filters, image, out = _filters(view), view.input(0), view.output()
    rows, columns = _axes(view)
    channels = image.shape[3]
    line_width = (columns.out - 1) * columns.stride + 3
    columns_first = filters.values.reshape(channels, 3, 3).transpose(0, 2, 1)
    numbers = _numbers(filters)
    table = np.concatenate([_words(columns_first[..., [0, 1, 1, 2]]), numbers], axis=1)
    return Call(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("channels", channels),
            ("stride", rows.stride),
            ("pad_top", rows.before),
            ("pad_left", columns.before),
            ("output_height", rows.out),
            ("output_width", columns.out),
            ("line_width", line_width),
            ("numbers", numbers.shape[1]),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
        ),
        arguments=(
            Input(0),
            Const.of("weights", DType.INT32, table),
            Scratch(2 * 4 * _LANES * line_width, DType.INT32),
            Output(),
        ),
        times=_3x3_times(view),
        limits=filters.limits,
    )


def _3x3_times(view: NodeView) -> tuple[Times, ...]:
    """Two rows of the input a round, two ahead of those that its outputs begin with."""
    rows, columns = _axes(view)
    taken = np.maximum((np.arange(rows.size) + rows.before - 2) // 2, 0)
    at_once = 3 - rows.stride
    taken = np.where(taken < -(-rows.out // at_once), taken, -1)
    written = np.arange(rows.out) // at_once
    return _fours_times(view.input(0).shape, taken, (rows.out, columns.out), written, rows.out)


def _fours_of_channels(view: NodeView) -> int:
    """In all images of the batch."""
    image = view.input(0).shape
    return image[0] * -(-image[3] // _LANES)


def _3x3_work(view: NodeView) -> Work:
    """Calls, columns of a line, fours of channels, their lines and columns of these.

    For each stride: rows computed at once, pairs of their columns, last columns.
    """
    rows, columns = _axes(view)
    width = (columns.out - 1) * columns.stride + 3
    fours = _fours_of_channels(view)
    at_once = fours * -(-rows.out * rows.stride // 2)
    own = (at_once, _LANES * at_once * (columns.out // 2), _LANES * at_once * (columns.out % 2))
    return (
        1,
        width,
        fours,
        fours + at_once,
        (fours + at_once) * min(width - columns.before, columns.size),
        *(own if rows.stride == 1 else (0, 0, 0)),
        *(own if rows.stride == 2 else (0, 0, 0)),
    )


def _any_applies(view: NodeView) -> bool:
    return view.options.depth_multiplier == 1 and view.input(0).shape[3] >= _LANES


def _lines_apply(view: NodeView) -> bool:
    return _any_applies(view) and _filters(view).has_scales


def _numbers_apply(view: NodeView) -> bool:
    return _any_applies(view) and _filters(view).has_numbers


def _line_axes(view: NodeView) -> tuple[Axis, Axis]:
    """Rows and columns; an image of one column is one of one row, which has longer lines."""
    rows, columns = _axes(view)
    upright = (columns.size, columns.window, columns.out, columns.before) == (1, 1, 1, 0)
    return (columns, rows) if upright else (rows, columns)


def _lower_lines(view: NodeView) -> Call:
    return _lower_windows(view, _numbers(_filters(view)))


def _lower_any(view: NodeView) -> Call:
    return _lower_windows(view, _filters(view).raw_numbers)


def _lower_windows(view: NodeView, numbers: Array) -> Call:
    """The call of a kernel with lines of neighbours, whose taps are followed by these numbers."""
    filters, image, out = _filters(view), view.input(0), view.output()
    rows, columns = _line_axes(view)
    channels = image.shape[3]
    pairs = -(-columns.window // 2)
    taps = np.zeros((channels, rows.window, 2 * pairs), np.int8)
    taps[..., : columns.window] = filters.values.reshape(channels, rows.window, columns.window)
    count = rows.window * pairs
    by_pair = np.zeros((channels, -(-count // 2) * 2, 2), np.int8)
    by_pair[:, :count] = taps.reshape(channels, count, 2)
    # Of two pairs in a word, first what comes first in each.
    words = _words(by_pair.reshape(channels, -1, 2, 2).transpose(0, 1, 3, 2))
    # Four outputs are computed at a time, wanted or not.
    tap_span = 2 * (pairs - 1) * columns.dilation
    line_width = (max(columns.out, 4) - 1) * columns.stride + tap_span + 1
    lines = (rows.window - 1) * rows.dilation + 1
    return Call(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("channels", channels),
            ("filter_height", rows.window),
            ("filter_pairs", pairs),
            ("stride_height", rows.stride),
            ("stride_width", columns.stride),
            ("dilation_height", rows.dilation),
            ("dilation_width", columns.dilation),
            ("pad_top", rows.before),
            ("pad_left", columns.before),
            ("output_height", rows.out),
            ("output_width", columns.out),
            ("line_width", line_width),
            ("numbers", numbers.shape[1]),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
        ),
        arguments=(
            Input(0),
            Const.of("weights", DType.INT32, np.concatenate([words, numbers], axis=1)),
            Scratch(4 * (_LANES * (lines * line_width + count + 3) + rows.window), DType.INT32),
            Output(),
        ),
        times=_lines_times(view),
        limits=filters.limits,
    )


def _lines_work(view: NodeView) -> Work:
    """Calls, fours of channels, their words of taps; lines, parts of these, words of these.

    Rows of outputs, rows of their windows; for four outputs or more of a channel, once more for the
    last of them, for fewer, those fewer;
    four outputs at a time, rows of their windows, pairs of taps of these.
    """
    rows, columns = _line_axes(view)
    fours = _fours_of_channels(view)
    pairs = -(-columns.window // 2)
    width = (max(columns.out, 4) - 1) * columns.stride + 2 * (pairs - 1) * columns.dilation + 1
    ring = (rows.window - 1) * rows.dilation + 1
    tops = np.arange(rows.out)[:, np.newaxis] * rows.stride - rows.before
    taken = np.unique(tops + np.arange(ring))
    inside = int(np.count_nonzero((taken >= 0) & (taken < rows.size)))
    left = np.arange(width) - columns.before
    whole = int(np.count_nonzero((left >= 0) & (left + columns.dilation < columns.size)))
    parts = inside * (width - whole + min(whole, 1)) + len(taken) - inside
    output_rows = fours * rows.out
    at_once = _LANES * output_rows * -(-columns.out // 4)
    narrow = columns.out < 4
    return (
        1,
        fours,
        _LANES * fours * rows.window * pairs,
        fours * len(taken),
        fours * parts,
        fours * len(taken) * width,
        output_rows,
        output_rows * rows.window,
        _LANES * output_rows * (not narrow),
        _LANES * output_rows * (not narrow and columns.out % 4 > 0),
        _LANES * output_rows * narrow,
        _LANES * output_rows * narrow * columns.out,
        at_once,
        at_once * rows.window,
        at_once * rows.window * pairs,
    )


def _lines_times(view: NodeView) -> tuple[Times, ...]:
    """A round is a row of outputs, before which the rows of its window are taken."""
    rows, columns = _line_axes(view)
    image = view.input(0).shape
    lines = (rows.window - 1) * rows.dilation + 1
    first = -(-(np.arange(rows.size) + rows.before - lines + 1) // rows.stride)
    taken = np.where(first < rows.out, np.maximum(first, 0), -1)
    shape = (image[0], rows.size, columns.size, image[3])
    return _fours_times(shape, taken, (rows.out, columns.out), np.arange(rows.out), rows.out)


_TAPS = (6, 10)  # in registers, as pairs


def _one_row(view: NodeView) -> tuple[Axis, Axis] | None:
    """Rows and columns if the filter has one row, and needs no padding above or below."""
    rows, columns = _line_axes(view)
    inside = rows.before == 0 and (rows.out - 1) * rows.stride < rows.size
    return (rows, columns) if rows.window == 1 and inside else None


def _1d_applies(view: NodeView, taps: int) -> bool:
    axes = _one_row(view)
    if axes is None or not _numbers_apply(view):
        return False
    columns = axes[1]
    least = 1 if taps == _TAPS[0] else _TAPS[0] + 1
    return least <= columns.window <= taps and (
        columns.stride == 1 or (columns.stride, columns.dilation) == (2, 1)
    )


def _1d_pairs(columns: Axis) -> int:
    """Pairs of taps, those filled up with zeros included."""
    return next(taps for taps in _TAPS if columns.window <= taps) // 2


def _1d_fours(view: NodeView, columns: Axis) -> tuple[int, int]:
    """Words of a line, and how often four outputs of it are computed, in all kinds and phases."""
    pairs = _1d_pairs(columns)
    if columns.stride == 2:
        return max(columns.out, 4) + pairs - 1, -(-columns.out // 4)
    outputs = [
        len(range(phase, columns.out, columns.dilation)) for phase in range(columns.dilation)
    ]
    fours = sum(-(-((count + odd) // 2) // 4) for count in outputs for odd in (0, 1))
    return max(-(-outputs[0] // 2), 4) + pairs, fours


def _lower_1d(view: NodeView) -> Call:
    filters, axes, image, out = _filters(view), _one_row(view), view.input(0), view.output()
    assert axes is not None
    rows, columns = axes
    channels = image.shape[3]
    pairs = _1d_pairs(columns)
    by_pair = np.zeros((channels, 2 * -(-pairs // 2) * 2), np.int8)
    by_pair[:, : columns.window] = filters.values
    # Of two pairs in a word, first what comes first in each.
    words = _words(by_pair.reshape(channels, -1, 2, 2).transpose(0, 1, 3, 2))
    line_words, _ = _1d_fours(view, columns)
    return Call(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("channels", channels),
            ("stride_height", rows.stride),
            ("stride_width", columns.stride),
            ("dilation_width", columns.dilation),
            ("pad_left", columns.before),
            ("output_height", rows.out),
            ("output_width", columns.out),
            ("line_words", line_words),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
        ),
        arguments=(
            Input(0),
            Const.of("weights", DType.INT32, np.concatenate([words, filters.numbers], axis=1)),
            Scratch(4 * _LANES * columns.dilation * line_words, DType.INT16),
            Output(),
        ),
        times=_1d_times(view),
        limits=filters.limits,
    )


def _1d_times(view: NodeView) -> tuple[Times, ...]:
    """A round is a row of outputs, made of one row."""
    axes, image = _one_row(view), view.input(0).shape
    assert axes is not None  # _1d_applies
    rows, columns = axes
    row, rest = np.divmod(np.arange(rows.size), rows.stride)
    taken = np.where((rest == 0) & (row < rows.out), row, -1)
    return _fours_times(
        (image[0], rows.size, columns.size, image[3]),
        taken,
        (rows.out, columns.out),
        np.arange(rows.out),
        rows.out,
        rows_first=True,
    )


def _1d_work(view: NodeView) -> Work:
    """Calls, rows of four channels, their lines, parts of these, words of these.

    Kinds of outputs: for four of a channel or more, once more for the last of them, for fewer,
    those fewer; four outputs at a time.
    """
    axes = _one_row(view)
    assert axes is not None  # _1d_applies
    rows, columns = axes
    line_words, _ = _1d_fours(view, columns)
    fours = _fours_of_channels(view) * rows.out
    step = columns.dilation
    left = (
        np.arange(step)[:, np.newaxis] - columns.before + 2 * step * np.arange(line_words)
    )  # of every word
    whole = (left >= 0) & (left + step < columns.size)
    behind = left >= columns.size
    parts = np.count_nonzero(~whole & ~behind) + whole.any(1).sum() + behind.any(1).sum()
    kinds = 3 - columns.stride
    outputs = [len(range(phase, columns.out, step)) for phase in range(min(step, columns.out))]
    counts = [(n + kind) // kinds for n in outputs for kind in range(kinds)]
    return (
        1,
        fours,
        fours * step,
        fours * int(parts),
        fours * step * line_words,
        fours * sum(n >= 4 for n in counts),
        fours * sum(n >= 4 and n % 4 > 0 for n in counts),
        fours * sum(n < 4 for n in counts),
        fours * sum(n for n in counts if n < 4),
        fours * sum(max(-(-n // 4), 1) for n in counts),
    )


def _direct_applies(view: NodeView) -> bool:
    return _numbers_apply(view) and all(axis.inside for axis in _axes(view))


def _lower_direct(view: NodeView) -> Call:
    filters, image, out = _filters(view), view.input(0), view.output()
    rows, columns = _line_axes(view)
    channels = image.shape[3]
    parts = []
    for first in range(0, channels, _LANES):
        start = min(first, channels - _LANES)
        four = slice(start, start + _LANES)
        parts += [_words(filters.values[four].T).ravel(), filters.numbers[four].ravel()]
    return Call(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("channels", channels),
            ("filter_height", rows.window),
            ("filter_width", columns.window),
            ("stride_height", rows.stride),
            ("stride_width", columns.stride),
            ("dilation_height", rows.dilation),
            ("dilation_width", columns.dilation),
            ("output_height", rows.out),
            ("output_width", columns.out),
            ("output_zero_point", zero_point(out)),
        ),
        arguments=(
            Input(0),
            Const.of("weights", DType.INT32, np.concatenate(parts)),
            Output(),
        ),
        times=channel_times(image.shape, *_axes(view)) if channels % _LANES == 0 else (),
        limits=filters.limits,
    )


def _direct_work(view: NodeView) -> Work:
    """Calls, rows, pixels, fours of their channels, rows of their windows, taps."""
    rows, columns = _line_axes(view)
    out_rows = view.input(0).shape[0] * rows.out
    fours = _fours_of_channels(view) * rows.out * columns.out
    return (
        1,
        out_rows,
        out_rows * columns.out,
        fours,
        fours * rows.window,
        fours * rows.window * columns.window,
    )


OPERATOR = Operator(
    name="DEPTHWISE_CONV_2D",
    code=4,
    max_version=6,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    kernels=(
        Kernel(
            "depthwise_conv_2d_3x3",
            "depthwise_conv_2d_3x3.h",
            _lower_3x3,
            _3x3_work,
            _3x3_applies,
        ),
        Kernel(
            "depthwise_conv_2d_lines",
            "depthwise_conv_2d_lines.h",
            _lower_lines,
            _lines_work,
            _lines_apply,
        ),
        *(
            Kernel(
                f"depthwise_conv_1d_{taps}",
                "depthwise_conv_1d.h",
                _lower_1d,
                _1d_work,
                partial(_1d_applies, taps=taps),
            )
            for taps in _TAPS
        ),
        Kernel(
            "depthwise_conv_2d_direct",
            "depthwise_conv_2d_direct.h",
            _lower_direct,
            _direct_work,
            _direct_applies,
        ),
        Kernel(
            "depthwise_conv_2d_any",
            "depthwise_conv_2d_any.h",
            _lower_any,
            _lines_work,
            _any_applies,
        ),
        Kernel("depthwise_conv_2d", "depthwise_conv_2d.h", _lower, _work),
    ),
)
