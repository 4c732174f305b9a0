"""DEPTHWISE_CONV_2D with all windows inside the image: depthwise_conv_2d_direct.h."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output
from tflm_ext.kernels.depthwise_lanes import (
    LANES,
    filters_of,
    groups_of,
    has_requant_words,
    image_fields,
    line_axes,
    words_of,
)
from tflm_ext.kernels.windows import channel_times
from tflm_ext.ops.depthwise_conv_2d import axes_of
from tflm_ext.opslib.common import zero_point


class DirectWork(NamedTuple):
    """Work of one call: groups of four channels of all pixels, rows and taps of their windows."""

    calls: int
    rows: int
    pixels: int
    groups: int
    window_rows: int
    taps: int


def _applies(view: NodeView) -> bool:
    return has_requant_words(view) and all(axis.inside for axis in axes_of(view))


def _lower(view: NodeView) -> KernelCall:
    filters, image, out = filters_of(view), view.input(0), view.output()
    rows, columns = line_axes(view)
    channels = image.shape[3]
    parts = []
    for first in range(0, channels, LANES):
        start = min(first, channels - LANES)
        lanes = slice(start, start + LANES)
        parts += [words_of(filters.values[lanes].T).ravel(), filters.requant_words[lanes].ravel()]
    layout = (
        f"[group of 4 channels, {-(-channels // LANES)}]"
        f"[{rows.window * columns.window} byte words, 4 x 2 requant words], "
        f"byte words [y {rows.window}][x {columns.window}] of a weight for each channel"
    )
    if channels % LANES:
        layout += f"; the last group is channels {channels - LANES} to {channels - 1}"
    return KernelCall(
        fields=(
            *image_fields(view, rows, columns),
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
            Const.of("weights", DType.INT32, np.concatenate(parts), layout),
            Output(),
        ),
        times=channel_times(image.shape, *axes_of(view)) if channels % LANES == 0 else (),
        limits=filters.limits,
    )


def _work(view: NodeView) -> DirectWork:
    rows, columns = line_axes(view)
    out_rows = view.input(0).shape[0] * rows.out
    groups = groups_of(view) * rows.out * columns.out
    return DirectWork(
        1,
        out_rows,
        out_rows * columns.out,
        groups,
        groups * rows.window,
        groups * rows.window * columns.window,
    )


DEPTHWISE_CONV_2D = Kernel(
    "depthwise_conv_2d_direct", "depthwise_conv_2d_direct.h", _lower, _work, _applies
)
