"""MEAN, SUM, REDUCE_MAX and REDUCE_MIN over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import (
    INT8_MAX,
    INT8_MIN,
    mean_multiplier,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import check_axis, check_integers, integers
from tflm_ext.opslib.base import (
    Array,
    Operator,
)
from tflm_ext.opslib.common import (
    check_counts,
    check_int8,
    check_shape,
    check_shifts,
    scale,
    zero_point,
)

LOOPS = 3


@dataclass(frozen=True, slots=True)
class ReductionOptions:
    """Options of the reductions."""

    keep_dims: bool


def parse(table: Table | None) -> ReductionOptions:
    return ReductionOptions(table is not None and table.bool(0))


def axes_of(view: NodeView) -> tuple[int, ...]:
    """The reduced axes, ascending; in the file, axes may be repeated or negative."""
    rank = len(view.input().shape)
    return tuple(sorted({axis % rank for axis in integers(view.input(1))})) if rank else ()


def count_of(view: NodeView) -> int:
    """Number of input elements per output element."""
    return view.input().elements // view.output().elements


def loops_of(view: NodeView) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Sizes and strides of the kept and of the reduced axes; adjacent axes are merged."""
    axes, shape = axes_of(view), view.input().shape
    loops: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    stride, before = 1, -1
    for axis in reversed(range(len(shape))):
        size, kind = shape[axis], int(axis in axes)
        if size == 1:
            continue
        if kind == before:
            inner, inner_stride = loops[kind].pop(0)
            loops[kind].insert(0, (size * inner, inner_stride))
        else:
            loops[kind].insert(0, (size, stride))
        stride, before = stride * size, kind
    return loops


def _check(view: NodeView) -> None:
    check_counts(view, (2,))
    source, axes, out = view.input(), view.input(1), view.output()
    check_int8(view, source, out)
    check_integers(view, axes, "axes")
    rank = len(source.shape)
    for axis in integers(axes) if rank else ():
        check_axis(view, axis, rank)
    reduced = axes_of(view)
    keep_dims = view.options.keep_dims
    shape = tuple(
        1 if axis in reduced else size
        for axis, size in enumerate(source.shape)
        if keep_dims or axis not in reduced
    )
    check_shape(view, out, shape)
    view.require(
        all(len(loops) <= LOOPS for loops in loops_of(view)),
        f"its axes {list(reduced)} of the shape {list(source.shape)} form too many separate groups",
        "Reduce the axes in two steps.",
    )


def sum_multiplier(view: NodeView) -> tuple[int, int]:
    """Multiplier and shift of SUM, and of MEAN, where they include the division by the count."""
    found = quantize_multiplier(scale(view.input()) / scale(view.output()))
    return mean_multiplier(*found, count_of(view)) if view.node.operator == "MEAN" else found


def sum_operator(
    name: str, code: int, max_version: int, *, options_type: int, refuses: str
) -> Operator:
    """Return MEAN or SUM: one requantisation of a 32-bit sum."""

    def check(view: NodeView) -> None:
        _check(view)
        shift = sum_multiplier(view)[1]
        check_shifts(view, (shift,))
        # Leave room for adding the zero point.
        view.require(
            255 * count_of(view) << max(shift, 0) < 2**31 - 128,
            f"the sum of {count_of(view):,} elements times a ratio of its scales is too large for "
            "32 bits",
            "The scales in the file are out of proportion; calibrate with real data.",
        )

    def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        source, out = inputs[0], view.output()
        assert source is not None
        sums = source.astype(np.int64).sum(axis=axes_of(view)).reshape(out.shape)
        sums -= zero_point(view.input()) * count_of(view)
        scaled = multiply_by_quantized_multiplier(sums, *sum_multiplier(view)) + zero_point(out)
        return (np.clip(scaled, INT8_MIN, INT8_MAX).astype(np.int8),)

    return Operator(
        name=name,
        code=code,
        max_version=max_version,
        parse=parse,
        options_type=options_type,
        refuses=refuses,
        check=check,
        reference=reference,
    )


def extremum_operator(
    name: str, code: int, max_version: int, *, largest: bool, options_type: int, refuses: str
) -> Operator:
    """Return REDUCE_MAX or REDUCE_MIN; TFLM requires the same quantisation of input and output."""

    def check(view: NodeView) -> None:
        _check(view)
        view.require(
            view.input().quantization == view.output().quantization,
            "its input and output have different quantisations",
            "Convert the model with full int8 quantisation; the converter makes them equal.",
        )

    def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        source = inputs[0]
        assert source is not None
        found = (np.max if largest else np.min)(source, axis=axes_of(view))
        return (np.asarray(found).reshape(view.output().shape),)

    return Operator(
        name=name,
        code=code,
        max_version=max_version,
        parse=parse,
        options_type=options_type,
        refuses=refuses,
        check=check,
        reference=reference,
    )
