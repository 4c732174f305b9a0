"""DEPTHWISE_CONV_2D of any window, by lines: depthwise_conv_2d_lines.h and, portable, _any.h."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tflm_ext.arithmetic import Array
from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, Scratch, Times
from tflm_ext.kernels.depthwise_lanes import (
    LANES,
    applies,
    filters_of,
    groups_of,
    image_fields,
    lane_times,
    line_axes,
    pair_order,
    pair_words_of,
    requant_words_of,
)
from tflm_ext.kernels.packing import RAW_REQUANT
from tflm_ext.opslib.common import zero_point


class LinesWork(NamedTuple):
    """Work of one call.

    Attributes:
        groups: of four channels.
        tap_words: of their filters.
        lines, line_parts, line_words: filled.
        rows, window_rows: of the outputs, and of their windows.
        wide, last: channels' rows of four outputs or more, and those of them whose last group of
            outputs overlaps with the one before.
        narrow, narrow_outputs: channels' rows of fewer than four outputs.
        output_groups, group_rows, group_pairs: groups of four outputs of a channel, the rows of
            their windows, and the pairs of taps in these.
    """

    calls: int
    groups: int
    tap_words: int
    lines: int
    line_parts: int
    line_words: int
    rows: int
    window_rows: int
    wide: int
    last: int
    narrow: int
    narrow_outputs: int
    output_groups: int
    group_rows: int
    group_pairs: int


def _has_scales(view: NodeView) -> bool:
    return applies(view) and filters_of(view).has_scales


def _lower_lines(view: NodeView) -> KernelCall:
    return _lower_windows(view, *requant_words_of(filters_of(view)))


def _lower_any(view: NodeView) -> KernelCall:
    return _lower_windows(view, filters_of(view).raw_requant_words, RAW_REQUANT)


def _lower_windows(view: NodeView, requant: Array, described: str) -> KernelCall:
    """The call of a kernel with lines of neighbours; `requant` follows the taps of each channel."""
    filters, image, out = filters_of(view), view.input(0), view.output()
    rows, columns = line_axes(view)
    channels = image.shape[3]
    pairs = -(-columns.window // 2)
    taps = np.zeros((channels, rows.window, 2 * pairs), np.int8)
    taps[..., : columns.window] = filters.values.reshape(channels, rows.window, columns.window)
    count = rows.window * pairs
    by_pair = np.zeros((channels, -(-count // 2) * 2, 2), np.int8)
    by_pair[:, :count] = taps.reshape(channels, count, 2)
    words = pair_words_of(by_pair)
    layout = f"[channel {channels}][{words.shape[1]} byte words, {described}] of " + pair_order(
        rows.window, columns.window
    )
    # Four outputs are always computed at a time, even if fewer are needed.
    tap_span = 2 * (pairs - 1) * columns.dilation
    line_width = (max(columns.out, 4) - 1) * columns.stride + tap_span + 1
    lines = (rows.window - 1) * rows.dilation + 1
    return KernelCall(
        fields=(
            *image_fields(view, rows, columns),
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
            ("requant_words", requant.shape[1]),
            ("input_zero_point", zero_point(image)),
            ("output_zero_point", zero_point(out)),
        ),
        arguments=(
            Input(0),
            Const.of("weights", DType.INT32, np.concatenate([words, requant], axis=1), layout),
            Scratch(
                "words", 4 * (LANES * (lines * line_width + count + 3) + rows.window), DType.INT32
            ),
            Output(),
        ),
        times=_times(view),
        limits=filters.limits,
    )


def _work(view: NodeView) -> LinesWork:
    rows, columns = line_axes(view)
    groups = groups_of(view)
    pairs = -(-columns.window // 2)
    width = (max(columns.out, 4) - 1) * columns.stride + 2 * (pairs - 1) * columns.dilation + 1
    ring = (rows.window - 1) * rows.dilation + 1
    tops = np.arange(rows.out)[:, np.newaxis] * rows.stride - rows.before
    taken = np.unique(tops + np.arange(ring))
    inside = int(np.count_nonzero((taken >= 0) & (taken < rows.size)))
    left = np.arange(width) - columns.before
    whole = int(np.count_nonzero((left >= 0) & (left + columns.dilation < columns.size)))
    parts = inside * (width - whole + min(whole, 1)) + len(taken) - inside
    output_rows = groups * rows.out
    at_once = LANES * output_rows * -(-columns.out // 4)
    narrow = columns.out < 4
    return LinesWork(
        1,
        groups,
        LANES * groups * rows.window * pairs,
        groups * len(taken),
        groups * parts,
        groups * len(taken) * width,
        output_rows,
        output_rows * rows.window,
        LANES * output_rows * (not narrow),
        LANES * output_rows * (not narrow and columns.out % 4 > 0),
        LANES * output_rows * narrow,
        LANES * output_rows * narrow * columns.out,
        at_once,
        at_once * rows.window,
        at_once * rows.window * pairs,
    )


def _times(view: NodeView) -> tuple[Times, ...]:
    """A round is a row of outputs; the rows of its window are read before it."""
    rows, columns = line_axes(view)
    image = view.input(0).shape
    lines = (rows.window - 1) * rows.dilation + 1
    first = -(-(np.arange(rows.size) + rows.before - lines + 1) // rows.stride)
    taken = np.where(first < rows.out, np.maximum(first, 0), -1)
    shape = (image[0], rows.size, columns.size, image[3])
    return lane_times(shape, taken, (rows.out, columns.out), np.arange(rows.out), rows.out)


LINES = Kernel(
    "depthwise_conv_2d_lines", "depthwise_conv_2d_lines.h", _lower_lines, _work, _has_scales
)
ANY = Kernel("depthwise_conv_2d_any", "depthwise_conv_2d_any.h", _lower_any, _work, applies)
