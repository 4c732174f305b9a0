"""PAD and PADV2: a border of zeros or of a given constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import DAMAGED, check_dimensions, check_integers, integers
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_constant, check_counts, check_int8, check_shape, zero_point


def paddings(view: NodeView) -> tuple[tuple[int, int], ...]:
    """Elements to add before and after each axis."""
    numbers = integers(view.input(1))
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def border_value(view: NodeView) -> int:
    """Quantised value of the padding."""
    if view.has_input(2):
        return int(view.input(2).array().item())
    return zero_point(view.output())


def check(view: NodeView) -> None:
    check_counts(view, (2, 3))
    source, out = view.input(), view.output()
    check_int8(view, source, out)
    check_dimensions(view, source, range(1, 6))
    check_integers(view, view.input(1), "paddings", 2 * len(source.shape))
    if view.has_input(2):
        value = view.input(2)
        check_constant(view, value, "border value")
        check_int8(view, value)
        view.require(
            value.elements == 1 and value.quantization == out.quantization,
            "its border value is not a single value with the output's quantisation",
            DAMAGED,
            value,
        )
    amounts = paddings(view)
    view.require(
        all(before >= 0 and after >= 0 for before, after in amounts),
        f"its paddings {[list(a) for a in amounts]} include a negative number",
        "Use Cropping1D or Cropping2D to make a tensor smaller.",
    )
    shape = tuple(
        before + size + after for size, (before, after) in zip(source.shape, amounts, strict=True)
    )
    check_shape(view, out, shape)


def interior(view: NodeView, target: Array) -> Array:
    return target[
        tuple(
            slice(before, before + size)
            for size, (before, _) in zip(view.input().shape, paddings(view), strict=True)
        )
    ]


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    source, out = inputs[0], view.output()
    assert source is not None
    target = np.full(out.shape, border_value(view), np.int8)
    interior(view, target)[...] = source
    return (target,)


def pad_operator(name: str, code: int, *, refuses: str) -> Operator:
    """Return PAD or PADV2, which TFLM computes in the same way."""
    return Operator(
        name=name,
        code=code,
        max_version=4,
        check=check,
        reference=reference,
        refuses=refuses,
    )
