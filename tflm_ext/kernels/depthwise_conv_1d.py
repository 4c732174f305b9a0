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
    has_numbers,
    image_fields,
    lane_times,
    line_axes,
    words_of,
)
from tflm_ext.opslib.common import zero_point
from tflm_ext.opslib.windows import Axis


class Depthwise1DWork(NamedTuple):
    """Work of one call.

    Attributes:
        rows: of four channels.
        lines, line_parts, line_words: that are filled.
        wide, last: phases of four outputs or more, and those of them whose last outputs are
            computed once more.
        narrow, narrow_outputs: phases of fewer than four outputs.
        fours: four outputs at a time.
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
    fours: int


_TAPS = (6, 10)  # in registers, as pairs


def _one_row(view: NodeView) -> tuple[Axis, Axis] | None:
    """Rows and columns if the filter has one row, and needs no padding above or below."""
    rows, columns = line_axes(view)
    inside = rows.before == 0 and (rows.out - 1) * rows.stride < rows.size
    return (rows, columns) if rows.window == 1 and inside else None


def _applies(view: NodeView, taps: int) -> bool:
    axes = _one_row(view)
    if axes is None or not has_numbers(view):
        return False
    columns = axes[1]
    least = 1 if taps == _TAPS[0] else _TAPS[0] + 1
    return least <= columns.window <= taps and (
        columns.stride == 1 or (columns.stride, columns.dilation) == (2, 1)
    )


def _pairs(columns: Axis) -> int:
    """Pairs of taps, those filled up with zeros included."""
    return next(taps for taps in _TAPS if columns.window <= taps) // 2


def _fours(view: NodeView, columns: Axis) -> tuple[int, int]:
    """Words of a line, and how often four outputs of it are computed, in all kinds and phases."""
    pairs = _pairs(columns)
    if columns.stride == 2:
        return max(columns.out, 4) + pairs - 1, -(-columns.out // 4)
    outputs = [
        len(range(phase, columns.out, columns.dilation)) for phase in range(columns.dilation)
    ]
    fours = sum(-(-((count + odd) // 2) // 4) for count in outputs for odd in (0, 1))
    return max(-(-outputs[0] // 2), 4) + pairs, fours


def _lower(view: NodeView) -> KernelCall:
    filters, axes, image, out = filters_of(view), _one_row(view), view.input(0), view.output()
    assert axes is not None
    rows, columns = axes
    channels = image.shape[3]
    pairs = _pairs(columns)
    by_pair = np.zeros((channels, 2 * -(-pairs // 2) * 2), np.int8)
    by_pair[:, : columns.window] = filters.values
    # Of two pairs in a word, first what comes first in each.
    words = words_of(by_pair.reshape(channels, -1, 2, 2).transpose(0, 1, 3, 2))
    line_words, _ = _fours(view, columns)
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
            Const.of("weights", DType.INT32, np.concatenate([words, filters.numbers], axis=1)),
            Scratch(4 * LANES * columns.dilation * line_words, DType.INT16),
            Output(),
        ),
        times=_times(view),
        limits=filters.limits,
    )


def _times(view: NodeView) -> tuple[Times, ...]:
    """A round is a row of outputs, made of one row."""
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
    line_words, _ = _fours(view, columns)
    fours = groups_of(view) * rows.out
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
