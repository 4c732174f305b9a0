"""Sliding windows over an image: sizes, padding, and patches as NumPy views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_ext.ir import NodeView
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import Padding


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis of a sliding window.

    Attributes:
        size: of the image.
        window: of the filter.
        before: padding before the image; the padding after it follows from the other sizes.
        out: of the output.
    """

    size: int
    window: int
    stride: int
    dilation: int
    before: int
    out: int

    @property
    def inside(self) -> bool:
        """Whether all windows are completely inside the image."""
        last = (self.out - 1) * self.stride + (self.window - 1) * self.dilation
        return self.before == 0 and last < self.size


def slide(
    size: int,
    window: int,
    stride: int,
    dilation: int,
    padding: Padding,
    border: tuple[int, int] = (0, 0),
) -> Axis:
    """Return output size and padding, as TensorFlow defines them, for an image with a border.

    Args:
        border: added before and after the image by a PAD that was merged into this operator.
    """
    extent = (window - 1) * dilation + 1
    padded = size + sum(border)
    if padding is Padding.SAME:
        out = -(-padded // stride)
    else:
        out = (padded + stride - extent) // stride
    before = max((out - 1) * stride + extent - padded, 0) // 2
    return Axis(size, window, stride, dilation, before + border[0], out)


def check_windows(view: NodeView, *numbers: int) -> None:
    """Require strides, dilations and filter sizes from 1 to 32767: TFLM has some in 16 bits."""
    view.require(
        all(1 <= n <= 32767 for n in numbers),
        f"its strides, dilations and filter sizes, {list(numbers)}, are not all from 1 to 32,767",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )


def pads(view: NodeView) -> bool:
    """Whether the node is a convolution of which some window reaches outside the image."""
    if view.node.operator not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return False
    o = view.options
    _, height, width, _ = view.input(0).shape
    _, window_height, window_width, _ = view.input(1).shape
    top, bottom, left, right = o.border
    return any(
        axis.before > 0
        or (axis.out - 1) * axis.stride + (axis.window - 1) * axis.dilation >= axis.size
        for axis in (
            slide(
                height, window_height, o.stride_height, o.dilation_height, o.padding, (top, bottom)
            ),
            slide(width, window_width, o.stride_width, o.dilation_width, o.padding, (left, right)),
        )
    )


def every_window_sees(*axes: Axis) -> bool:
    """Whether every window overlaps the image, so that none covers padding only."""
    return all(bool(_inside(axis).any(1).all()) for axis in axes)


def taps_inside(axis: Axis) -> int:
    """Number of filter taps inside the image, added up over all windows along an axis."""
    return int(np.count_nonzero(_inside(axis)))


def _inside(axis: Axis) -> Array:
    """(out, window): whether a tap of a window along an axis is inside the image."""
    first = np.arange(axis.out)[:, np.newaxis] * axis.stride - axis.before
    at = first + np.arange(axis.window) * axis.dilation
    inside: Array = (at >= 0) & (at < axis.size)
    return inside


def patches(image: Array, rows: Axis, columns: Axis, fill: int) -> Array:
    """Return all windows of an image.

    Args:
        image: (batch, height, width, channels).
        fill: value outside the image.

    Returns:
        (batch, out height, out width, window height, window width, channels): a view of a copy.
    """
    after = [
        max((a.out - 1) * a.stride + (a.window - 1) * a.dilation + 1 - a.size - a.before, 0)
        for a in (rows, columns)
    ]
    padded = np.pad(
        image,
        ((0, 0), (rows.before, after[0]), (columns.before, after[1]), (0, 0)),
        constant_values=fill,
    )
    b, y, x, c = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded,
        (image.shape[0], rows.out, columns.out, rows.window, columns.window, image.shape[3]),
        (b, y * rows.stride, x * columns.stride, y * rows.dilation, x * columns.dilation, c),
        writeable=False,
    )
