"""SLICE: a box of the input, with constant `begin` and `size`."""

from __future__ import annotations

from tflm_ext.ir import DType, NodeView
from tflm_ext.opslib.axes import DAMAGED, check_dimensions, check_integers, integers
from tflm_ext.opslib.base import Array, Operator, first_input
from tflm_ext.opslib.common import check_counts, check_moved, check_shape
from tflm_ext.opslib.movement import rearrange_reference


def _begin_and_shape(view: NodeView) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Start and shape of the box; a size of -1 extends to the end of the axis."""
    begins, sizes = integers(view.input(1)), integers(view.input(2))
    shape = tuple(
        whole - begin if size == -1 else size
        for whole, begin, size in zip(view.input().shape, begins, sizes, strict=True)
    )
    return begins, shape


def check(view: NodeView) -> None:
    check_counts(view, (3,))
    source, out = view.input(), view.output()
    check_moved(view, source, out)
    check_dimensions(view, source, range(1, 6))
    for i, role in ((1, "begin"), (2, "size")):
        check_integers(view, view.input(i), role, len(source.shape), (DType.INT32, DType.INT64))
    view.require(
        view.input(1).dtype is view.input(2).dtype,
        "`begin` and `size` have different element types",
        DAMAGED,
    )
    begins, shape = _begin_and_shape(view)
    view.require(
        all(
            0 <= begin < begin + size <= whole
            for begin, size, whole in zip(begins, shape, source.shape, strict=True)
        ),
        f"its box of {list(shape)} elements from position {list(begins)} is not inside a tensor "
        f"with the shape {list(source.shape)}",
        DAMAGED,
    )
    check_shape(view, out, shape)


def rearrange(view: NodeView, source: Array) -> Array:
    begins, shape = _begin_and_shape(view)
    return source[tuple(slice(b, b + s) for b, s in zip(begins, shape, strict=True))]


OPERATOR = Operator(
    name="SLICE",
    code=65,
    max_version=5,
    check=check,
    reference=rearrange_reference(rearrange),
    moves=first_input,
    refuses="`begin` or `size` that is not constant, or outside the tensor",
)
