"""GATHER: slices at positions along an axis, which are constants or an int32 input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import DType, Limits, NodeView
from tflm_ext.opslib.axes import DAMAGED, check_axis
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_counts, check_int8, check_shape


@dataclass(frozen=True, slots=True)
class GatherOptions:
    """Options of GATHER.

    Attributes:
        batch_dims: number of leading axes shared by input and positions; negative numbers count
            from the last axis of the positions.
    """

    axis: int
    batch_dims: int


def parse(table: Table | None) -> GatherOptions:
    return GatherOptions(0, 0) if table is None else GatherOptions(table.int32(0), table.int32(1))


def _axes(view: NodeView) -> tuple[int, int]:
    """The axis, and the number of leading axes shared by input and positions."""
    options: GatherOptions = view.options
    rank = len(view.input(1).shape)
    batch_dims = options.batch_dims + (rank if options.batch_dims < 0 else 0)
    return options.axis % len(view.input().shape), batch_dims


def _positions(view: NodeView) -> Limits:
    """From 0 to the size of the axis minus 1: TFLM fails on all others."""
    axis, _ = _axes(view)
    return Limits(DType.INT32, 0, view.input().shape[axis] - 1)


def check(view: NodeView) -> None:
    options: GatherOptions = view.options
    check_counts(view, (2,))
    source, positions, out = view.input(), view.input(1), view.output()
    check_int8(view, source, out)
    view.require(
        positions.dtype is DType.INT32,
        f"its positions are {positions.dtype.value}",
        "TensorFlow Lite Micro takes int32 only: cast them before the model.",
        positions,
    )
    check_axis(view, options.axis, len(source.shape))
    axis, shared = _axes(view)
    view.require(
        0 <= shared <= min(axis, len(positions.shape))
        and source.shape[:shared] == positions.shape[:shared],
        f"it shares {options.batch_dims} axes of an input with the shape {list(source.shape)} and "
        f"positions with the shape {list(positions.shape)}",
        DAMAGED,
    )
    size = source.shape[axis]
    view.require(
        not positions.constant or _positions(view).allow(positions.array()),
        f"it gathers at positions outside axis {axis}, which has the size {size}",
        f"Use positions from 0 to {size - 1}.",
    )
    check_shape(
        view, out, source.shape[:axis] + positions.shape[shared:] + source.shape[axis + 1 :]
    )


def limits(view: NodeView, index: int) -> Limits | None:
    return _positions(view) if index == 1 else None


def sizes_of(view: NodeView) -> tuple[int, int, int, int, int]:
    """Sizes: batches, outer axes, the axis itself, positions per batch, inner axes."""
    axis, shared = _axes(view)
    shape, positions = view.input().shape, view.input(1).shape
    groups = (shape[:shared], shape[shared:axis], (shape[axis],), positions[shared:])
    batches, outer, size, count = (int(np.prod(g, dtype=np.int64)) for g in groups)
    return batches, outer, size, count, int(np.prod(shape[axis + 1 :], dtype=np.int64))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    source, positions = inputs[0], inputs[1]
    assert source is not None
    assert positions is not None
    batches, outer, size, count, inner = sizes_of(view)
    values = source.reshape(batches, outer, size, inner)
    found = [v[:, p] for v, p in zip(values, positions.reshape(batches, count), strict=True)]
    return (np.stack(found).reshape(view.output().shape),)


OPERATOR = Operator(
    name="GATHER",
    code=36,
    max_version=5,
    options_type=23,
    parse=parse,
    check=check,
    reference=reference,
    limits=limits,
    refuses="constant positions outside the axis",
)
