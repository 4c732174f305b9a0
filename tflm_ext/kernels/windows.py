"""What kernels with sliding windows have in common: fields, and when they read and write."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic import Array
from tflm_ext.ir import Tensor
from tflm_ext.kernels.base import Times
from tflm_ext.opslib.windows import Axis


def forward_times(
    image: tuple[int, ...], rows: Axis, columns: Axis, channels: int, at_once: int | None
) -> Times:
    """Times of a kernel that computes all channels of some pixels at once, in the order of pixels.

    Dilated windows count as if they read everything between their corners.

    Args:
        image: (batch, height, width, channels) of the input.
        rows, columns: as slide() gives them.
        channels: of the output.
        at_once: the number of pixels whose windows are read before these pixels are written; the
            last group may overlap with the one before. None if a pixel's window is read again for
            each of its channels.
    """
    pixel = _last_pixel(image[0], rows, columns)
    depth = image[3]
    count = image[0] * rows.out * columns.out
    if at_once is None:
        read, write = 2 * pixel + 1, 2 * np.arange(count)
    else:
        last = -(-count // at_once) - 1
        read = np.where(pixel >= count - at_once, last, pixel // at_once)
        write = np.arange(count) // at_once
    return Times(np.repeat(read.reshape(-1), depth), np.repeat(write, channels), anywhere=True)


def channel_times(image: tuple[int, ...], rows: Axis, columns: Axis) -> tuple[Times]:
    """Times of a kernel that computes every channel from the same channel, in the order of pixels.

    This also holds for four channels at a time: all are read before the first is written.
    """
    channel = np.arange(image[3])
    read = _last_pixel(image[0], rows, columns)[..., np.newaxis] * image[3] + channel
    return (Times(read.reshape(-1), np.arange(image[0] * rows.out * columns.out * image[3])),)


def _last_pixel(batches: int, rows: Axis, columns: Axis) -> Array:
    """(batches, rows, columns): the last output pixel whose window may contain each input pixel."""

    def last_output(axis: Axis) -> Array:
        return np.minimum((np.arange(axis.size) + axis.before) // axis.stride, axis.out - 1)

    y, x = last_output(rows), last_output(columns)
    batch = np.arange(batches)[:, np.newaxis, np.newaxis] * rows.out * columns.out
    pixel: Array = batch + y[:, np.newaxis] * columns.out + x
    return pixel


def filter_layout(weights: Tensor) -> str:
    """The layout of weights (filters, height, width, channels) as they are."""
    filters, rows, columns, channels = weights.shape
    return f"[filter {filters}][y {rows}][x {columns}][channel {channels}]"


def window_fields(rows: Axis, columns: Axis) -> tuple[tuple[str, int], ...]:
    """How windows move, as in the structs of several kernels."""
    return (
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
    )
