"""Code shared by AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.arithmetic import Activation, activation_range
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.common import (
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
from tflm_ext.opslib.windows import Axis, check_windows, slide


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Options of poolings; `border` comes from a merged PAD: top, bottom, left, right."""

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
        "its input does not have 4 dimensions",
        "Use 1D or 2D pooling layers; other numbers of dimensions are not supported.",
    )
    check_windows(view, o.stride_height, o.stride_width, o.window_height, o.window_width)
    rows, columns = axes(view)
    check_shape(view, out, (image.shape[0], rows.out, columns.out, image.shape[3]))
    view.require(
        abs(scale(image) - scale(out)) <= 1e-6 and zero_point(image) == zero_point(out),
        "its input and output have different scales or zero points",
        "Train without fake quantisation after the pooling, or convert the model again.",
    )
    check_activation(view, o.activation, out)
    view.require(
        min(rows.window, rows.size) * min(columns.window, columns.size) < 2**23,
        f"its window of {rows.window} x {columns.window} is too large for 32-bit sums",
        "Use several smaller pooling layers.",
    )


def limits(view: NodeView) -> tuple[int, int]:
    """Smallest and largest output, after the fused activation."""
    out = view.output()
    return activation_range(view.options.activation, scale(out), zero_point(out))
