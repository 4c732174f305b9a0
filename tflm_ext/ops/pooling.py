"""What AVERAGE_POOL_2D and MAX_POOL_2D share."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.arithmetic import Activation, activation_range
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.ops.base import Call, Input, Kernel, Output, Work
from tflm_ext.ops.common import (
    Padding,
    check_activation,
    check_counts,
    check_int8,
    check_shape,
    parse_activation,
    parse_padding,
    scale,
    zero_point,
)
from tflm_ext.ops.windows import Axis, channel_times, check_windows, slide, taps_inside


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Options of the pooling operators; the border is that of a PAD: top, bottom, left, right."""

    padding: Padding
    stride_height: int
    stride_width: int
    window_height: int
    window_width: int
    activation: Activation
    border: tuple[int, int, int, int] = (0, 0, 0, 0)


def parse(table: Table | None) -> PoolOptions:
    if table is None:
        return PoolOptions(Padding.SAME, 0, 0, 0, 0, Activation.NONE)
    return PoolOptions(
        padding=parse_padding(table.int8(0)),
        stride_width=table.int32(1),
        stride_height=table.int32(2),
        window_width=table.int32(3),
        window_height=table.int32(4),
        activation=parse_activation(table.int8(5)),
    )


def axes(view: NodeView) -> tuple[Axis, Axis]:
    o: PoolOptions = view.options
    _, height, width, _ = view.input(0).shape
    top, bottom, left, right = o.border
    return (
        slide(height, o.window_height, o.stride_height, 1, o.padding, (top, bottom)),
        slide(width, o.window_width, o.stride_width, 1, o.padding, (left, right)),
    )


def check(view: NodeView) -> None:
    o: PoolOptions = view.options
    check_counts(view, (1,))
    image, out = view.input(0), view.output()
    check_int8(view, image, out)
    view.require(
        len(image.shape) == 4,
        "its input does not have four dimensions",
        "Use the 1D or 2D pooling layers; other ranks are not supported.",
    )
    check_windows(view, o.stride_height, o.stride_width, o.window_height, o.window_width)
    rows, columns = axes(view)
    check_shape(view, out, (image.shape[0], rows.out, columns.out, image.shape[3]))
    view.require(
        abs(scale(image) - scale(out)) <= 1e-6 and zero_point(image) == zero_point(out),
        "input and output have different scales or zero points",
        "Train without a fake-quantisation after the pooling, or convert the model again.",
    )
    check_activation(view, o.activation, out)
    view.require(
        min(rows.window, rows.size) * min(columns.window, columns.size) < 2**23,
        f"its window of {rows.window} by {columns.window} is larger than 32-bit sums allow",
        "Use several smaller poolings.",
    )


def limits(view: NodeView) -> tuple[int, int]:
    """Smallest and largest output."""
    out = view.output()
    return activation_range(view.options.activation, scale(out), zero_point(out))


def lower(view: NodeView) -> Call:
    """The call of a pooling kernel."""
    image = view.input(0)
    rows, columns = axes(view)
    low, high = limits(view)
    return Call(
        fields=(
            ("batches", image.shape[0]),
            ("input_height", rows.size),
            ("input_width", columns.size),
            ("channels", image.shape[3]),
            ("window_height", rows.window),
            ("window_width", columns.window),
            ("stride_height", rows.stride),
            ("stride_width", columns.stride),
            ("pad_top", rows.before),
            ("pad_left", columns.before),
            ("output_height", rows.out),
            ("output_width", columns.out),
            ("output_min", low),
            ("output_max", high),
        ),
        arguments=(Input(0), Output()),
        times=channel_times(image.shape, rows, columns),
    )


def work(view: NodeView) -> Work:
    """Calls; outputs, rows of windows and taps, where windows move, and where there is only one.

    The compiler knows what part of the image a single window has.
    """
    rows, columns = axes(view)
    out = view.output()
    in_rows = out.shape[0] * out.shape[3] * taps_inside(rows)
    own = (out.elements, in_rows * columns.out, in_rows * taps_inside(columns))
    none = (0, 0, 0)
    single = rows.out == columns.out == 1
    return 1, *(none if single else own), *(own if single else none)


def kernel(name: str) -> Kernel:
    """The kernel of a pooling operator."""
    return Kernel(name, "pool_2d.h", lower, work)
