"""DEPTHWISE_CONV_2D of windows of one row: depthwise_conv_1d.h."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, Scratch, Times
from tflm_ext.kernels.depthwise_lanes import (
    LANES,
    filters_of,
    groups_of,
    has_requant_words,
    image_fields,
    lane_times,
    line_axes,
    pair_order,
    pair_words_of,
)
from tflm_ext.opslib.common import zero_point
from tflm_ext.opslib.windows import Axis


class Depthwise1DWork(NamedTuple):
    """Work of one call.

    Attributes:
        rows: of four channels.
        lines, line_parts, line_words: filled.
        wide, last: phases of four outputs or more, and those of them whose last group of outputs
            overlaps with the one before.
        narrow, narrow_outputs: phases of fewer than four outputs.
        output_groups: groups of four outputs of a channel.
    """

    calls: int
    rows: int
    lines: int
    line_parts: int
    line_words: int
    wide: int
    last: int
    narrow: int
    narrow_outputs: int
    output_groups: int


_TAPS = (6, 10)  # in registers, as pairs


def _one_row(view: NodeView) -> tuple[Axis, Axis] | None:
    """Rows and columns if the filter has one row, and needs no padding above or below."""
    rows, columns = line_axes(view)
    inside = rows.before == 0 and (rows.out - 1) * rows.stride < rows.size
    return (rows, columns) if rows.window == 1 and inside else None


def _applies(view: NodeView, taps: int) -> bool:
    axes = _one_row(view)
    if axes is None or not has_requant_words(view):
        return False
    columns = axes[1]
    least = 1 if taps == _TAPS[0] else _TAPS[0] + 1
    return least <= columns.window <= taps and (
        columns.stride == 1 or (columns.stride, columns.dilation) == (2, 1)
    )


def _pairs(columns: Axis) -> int:
    """Pairs of taps, including those filled up with zeros."""
    return next(taps for taps in _TAPS if columns.window <= taps) // 2


def _line_words(columns: Axis) -> int:
    """Words of a line, with room for four outputs at a time."""
    pairs = _pairs(columns)
    if columns.stride == 2:
        return max(columns.out, 4) + pairs - 1
    longest = -(-columns.out // columns.dilation)  # outputs of phase 0
    return max(-(-longest // 2), 4) + pairs


def _lower(view: NodeView) -> KernelCall:
    filters, axes, image, out = filters_of(view), _one_row(view), view.input(0), view.output()
    assert axes is not None
    rows, columns = axes
    channels = image.shape[3]
    pairs = _pairs(columns)
    by_pair = np.zeros((channels, 2 * -(-pairs // 2) * 2), np.int8)
    by_pair[:, : columns.window] = filters.values
    words = pair_words_of(by_pair)
    table = np.concatenate([words, filters.requant_words], axis=1)
    layout = f"[channel {channels}][{words.shape[1]} byte words, 2 requant words] of " + pair_order(
        1, columns.window
    )
    line_words = _line_words(columns)
    return KernelCall(
        fields=(
            *image_fields(view, rows, columns),
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
            Const.of("weights", DType.INT32, table, layout),
            Scratch("lines", 4 * LANES * columns.dilation * line_words, DType.INT16),
            Output(),
        ),
        times=_times(view),
        limits=filters.limits,
    )


def _times(view: NodeView) -> tuple[Times, ...]:
    """A round is a row of outputs, computed from one row."""
    axes, image = _one_row(view), view.input(0).shape
    assert axes is not None  # _applies
    rows, columns = axes
    row, rest = np.divmod(np.arange(rows.size), rows.stride)
    taken = np.where((rest == 0) & (row < rows.out), row, -1)
    return lane_times(
        (image[0], rows.size, columns.size, image[3]),
        taken,
        (rows.out, columns.out),
        np.arange(rows.out),
        rows.out,
        rows_first=True,
    )


def _work(view: NodeView) -> Depthwise1DWork:
    axes = _one_row(view)
    assert axes is not None  # _applies
    rows, columns = axes
    line_words = _line_words(columns)
    groups = groups_of(view) * rows.out
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
    return Depthwise1DWork(
        1,
        groups,
        groups * step,
        groups * int(parts),
        groups * step * line_words,
        groups * sum(n >= 4 for n in counts),
        groups * sum(n >= 4 and n % 4 > 0 for n in counts),
        groups * sum(n < 4 for n in counts),
        groups * sum(n for n in counts if n < 4),
        groups * sum(max(-(-n // 4), 1) for n in counts),
    )


DEPTHWISE_CONV_2D = tuple(
    Kernel(
        f"depthwise_conv_1d_{taps}",
        "depthwise_conv_1d.h",
        _lower,
        _work,
        partial(_applies, taps=taps),
    )
    for taps in _TAPS
)
