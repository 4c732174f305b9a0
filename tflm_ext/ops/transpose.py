"""TRANSPOSE: any permutation of up to 5 axes."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import DAMAGED, check_dimensions, check_integers, integers
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_counts, check_int8, check_shape
from tflm_ext.opslib.movement import rearrange_reference


def check(view: NodeView) -> None:
    check_counts(view, (2,))
    source, out = view.input(), view.output()
    check_int8(view, source, out)
    check_dimensions(view, source, range(1, 6))
    check_integers(view, view.input(1), "permutation", len(source.shape))
    permutation = integers(view.input(1))
    view.require(
        sorted(permutation) == list(range(len(permutation))),
        f"{list(permutation)} is not a permutation of its axes",
        DAMAGED,
    )
    check_shape(view, out, tuple(source.shape[axis] for axis in permutation))


def rearrange(view: NodeView, source: Array) -> Array:
    return source.transpose(integers(view.input(1)))


OPERATOR = Operator(
    name="TRANSPOSE",
    code=39,
    max_version=5,
    check=check,
    reference=rearrange_reference(rearrange),
    refuses="a permutation that is not constant",
)
