"""SPLIT: divides a tensor into equal parts along an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import DAMAGED, check_axis, check_integers, integers
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_counts, check_moved, check_shape


def axis_of(view: NodeView) -> int:
    return integers(view.input(0))[0] % len(view.input(1).shape)


def check(view: NodeView) -> None:
    check_counts(view, (2,), view.output_count)
    source = view.input(1)
    check_moved(view, source, *view.outputs)
    check_integers(view, view.input(0), "axis", 1)
    check_axis(view, integers(view.input(0))[0], len(source.shape))
    axis = axis_of(view)
    part, rest = divmod(source.shape[axis], view.output_count)
    view.require(
        rest == 0,
        f"it splits an axis of size {source.shape[axis]} into {view.output_count} equal parts",
        DAMAGED,
    )
    for tensor in view.outputs:
        check_shape(view, tensor, (*source.shape[:axis], part, *source.shape[axis + 1 :]))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    source = inputs[1]
    assert source is not None
    return tuple(np.split(source, view.output_count, axis=axis_of(view)))


OPERATOR = Operator(
    name="SPLIT",
    code=49,
    max_version=4,
    check=check,
    reference=reference,
    moves=lambda view: (1,),
)
