"""STRIDED_SLICE with constant `begin`, `end` and `strides`, forwards and backwards."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import DAMAGED, check_dimensions, check_integers, integers
from tflm_ext.opslib.base import Array, Operator, first_input
from tflm_ext.opslib.common import check_counts, check_moved, check_shape
from tflm_ext.opslib.movement import rearrange_reference


@dataclass(frozen=True, slots=True)
class StridedSliceOptions:
    """Options of STRIDED_SLICE: masks have one bit per axis of the input."""

    begin_mask: int
    end_mask: int
    shrink_axis_mask: int
    unsupported: bool


def parse(table: Table | None) -> StridedSliceOptions:
    if table is None:
        return StridedSliceOptions(0, 0, 0, unsupported=False)
    return StridedSliceOptions(
        begin_mask=table.int32(0),
        end_mask=table.int32(1),
        shrink_axis_mask=table.int32(4),
        unsupported=table.int32(2) != 0 or table.int32(3) != 0 or table.bool(5),
    )


def _range(view: NodeView, axis: int) -> range:
    """The positions that are read along an axis.

    Works like a slice in Python; an axis that is dropped reads one position, `begin`, clamped.
    """
    size, bit = view.input().shape[axis], 1 << axis
    begin, end, stride = (integers(view.input(i))[axis] for i in (1, 2, 3))
    options: StridedSliceOptions = view.options
    positions = range(size)[
        slice(
            None if options.begin_mask & bit else begin,
            None if options.end_mask & bit else end,
            stride,
        )
    ]
    if options.shrink_axis_mask & bit:
        return range(positions.start, positions.start + 1)
    return positions


def check(view: NodeView) -> None:
    check_counts(view, (4,))
    source, out = view.input(), view.output()
    check_moved(view, source, out)
    check_dimensions(view, source, range(1, 5))
    rank = len(source.shape)
    for i, role in ((1, "begin"), (2, "end"), (3, "strides")):
        check_integers(view, view.input(i), role, rank)
    options: StridedSliceOptions = view.options
    view.require(
        not options.unsupported,
        "it uses an ellipsis, a new axis or offsets, which TensorFlow Lite Micro ignores",
        "Give `begin` and `end` for every axis.",
    )
    strides = integers(view.input(3))
    view.require(0 not in strides, f"its strides are {list(strides)}", DAMAGED)
    shape = []
    for axis, size in enumerate(source.shape):
        positions = _range(view, axis)
        if options.shrink_axis_mask & (1 << axis):
            # TFLM writes nothing in these cases.
            view.require(
                strides[axis] > 0 and positions.start < size,
                f"it reads position {positions.start} of axis {axis}, which has the size {size}",
                "Use a position inside the tensor, and a positive stride.",
            )
        else:
            shape.append(len(positions))
    check_shape(view, out, tuple(shape))


def rearrange(view: NodeView, source: Array) -> Array:
    index = []
    for axis in range(source.ndim):
        positions = _range(view, axis)
        # In a slice, a stop of -1 would be the last position.
        stop = None if positions.stop < 0 else positions.stop
        index.append(slice(positions.start, stop, positions.step))
    return source[tuple(index)]


OPERATOR = Operator(
    name="STRIDED_SLICE",
    code=45,
    max_version=7,
    options_type=32,
    parse=parse,
    check=check,
    reference=rearrange_reference(rearrange),
    moves=first_input,
    refuses="`begin`, `end` or `strides` that are not constant; ellipsis and new axes",
)
