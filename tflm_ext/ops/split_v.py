"""SPLIT_V: divides a tensor into parts of given sizes along an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.opslib.axes import DAMAGED, check_axis, check_dimensions, check_integers, integers
from tflm_ext.opslib.base import Array, Operator, first_input
from tflm_ext.opslib.common import check_counts, check_moved, check_shape


def axis_of(view: NodeView) -> int:
    return integers(view.input(2))[0] % len(view.input(0).shape)


def check(view: NodeView) -> None:
    check_counts(view, (3,), view.output_count)
    source = view.input(0)
    check_moved(view, source, *view.outputs)
    check_integers(view, view.input(2), "axis", 1)
    rank = len(source.shape)
    check_axis(view, integers(view.input(2))[0], rank)
    check_integers(view, view.input(1), "sizes", view.output_count, (DType.INT32, DType.INT64))
    axis = axis_of(view)
    sizes = []
    for size, tensor in zip(integers(view.input(1)), view.outputs, strict=True):
        check_dimensions(view, tensor, range(rank, rank + 1))
        # TFLM uses the shapes of the outputs; one size may be -1, for the rest of the axis.
        sizes.append(tensor.shape[axis] if size == -1 else size)
        check_shape(view, tensor, (*source.shape[:axis], sizes[-1], *source.shape[axis + 1 :]))
    view.require(
        sum(sizes) == source.shape[axis],
        f"it splits an axis of size {source.shape[axis]} into parts of {sizes}",
        DAMAGED,
    )


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    source, axis = inputs[0], axis_of(view)
    assert source is not None
    ends = np.cumsum([tensor.shape[axis] for tensor in view.outputs])
    return tuple(np.split(source, ends[:-1], axis=axis))


OPERATOR = Operator(
    name="SPLIT_V",
    code=102,
    max_version=2,
    check=check,
    reference=reference,
    moves=first_input,
)
