"""DEPTHWISE_CONV_2D of 3 x 3 windows: depthwise_conv_2d_3x3.h."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, Scratch, Times
from tflm_ext.kernels.depthwise_lanes import (
    LANES,
    filters_of,
    groups_of,
    image_fields,
    lane_times,
    requant_words_of,
    words_of,
)
from tflm_ext.ops.depthwise_conv_2d import axes_of
from tflm_ext.opslib.common import zero_point


class Depthwise3x3Work(NamedTuple):
    """Work of one call.

    Attributes:
        width: columns of a line.
        groups: of four channels.
        lines, line_columns: filled, and their columns inside the image.
        rows_1, pairs_1, last_1: at stride 1, pairs of rows, pairs of their columns, last columns.
        rows_2, pairs_2, last_2: the same at stride 2.
    """

    calls: int
    width: int
    groups: int
    lines: int
    line_columns: int
    rows_1: int
    pairs_1: int
    last_1: int
    rows_2: int
    pairs_2: int
    last_2: int


def _applies(view: NodeView) -> bool:
    rows, columns = axes_of(view)
    return (
        (rows.window, columns.window) == (3, 3)
        and rows.stride == columns.stride <= 2
        and rows.dilation == columns.dilation == 1
        and view.options.depth_multiplier == 1
        and view.input(0).shape[3] >= LANES
        and columns.before <= 2
        and filters_of(view).has_scales
    )


def _lower(view: NodeView) -> KernelCall:
    filters, image, out = filters_of(view), view.input(0), view.output()
    rows, columns = axes_of(view)
    channels = image.shape[3]
    line_width = (columns.out - 1) * columns.stride + 3
    columns_first = filters.values.reshape(channels, 3, 3).transpose(0, 2, 1)
    requant, described = requant_words_of(filters)
    table = np.concatenate([words_of(columns_first[..., [0, 1, 1, 2]]), requant], axis=1)
    layout = f"[channel {channels}][3 byte words (y 0, 1, 1, 2 of each x), {described}]"
    return KernelCall(
        fields=(
            *image_fields(view, rows, columns),
            ("stride", rows.stride),
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
            Const.of("weights", DType.INT32, table, layout),
            Scratch("lines", 2 * 4 * LANES * line_width, DType.INT32),
            Output(),
        ),
        times=_times(view),
        limits=filters.limits,
    )


def _times(view: NodeView) -> tuple[Times, ...]:
    """A round reads two rows of the input, two rows ahead of its first outputs."""
    rows, columns = axes_of(view)
    taken = np.maximum((np.arange(rows.size) + rows.before - 2) // 2, 0)
    at_once = 3 - rows.stride
    taken = np.where(taken < -(-rows.out // at_once), taken, -1)
    written = np.arange(rows.out) // at_once
    return lane_times(view.input(0).shape, taken, (rows.out, columns.out), written, rows.out)


def _work(view: NodeView) -> Depthwise3x3Work:
    rows, columns = axes_of(view)
    width = (columns.out - 1) * columns.stride + 3
    groups = groups_of(view)
    at_once = groups * -(-rows.out * rows.stride // 2)
    own = (at_once, LANES * at_once * (columns.out // 2), LANES * at_once * (columns.out % 2))
    return Depthwise3x3Work(
        1,
        width,
        groups,
        groups + at_once,
        (groups + at_once) * min(width - columns.before, columns.size),
        *(own if rows.stride == 1 else (0, 0, 0)),
        *(own if rows.stride == 2 else (0, 0, 0)),
    )


DEPTHWISE_CONV_2D = Kernel(
    "depthwise_conv_2d_3x3", "depthwise_conv_2d_3x3.h", _lower, _work, _applies
)
