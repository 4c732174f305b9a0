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
from tflm_ext.ops.axes import check_axis, check_integers, integers
from tflm_ext.ops.base import (
    Array,
    Call,
    FieldValue,
    Input,
    Kernel,
    Operator,
    Output,
    Times,
    Work,
)
from tflm_ext.ops.common import (
    check_counts,
    check_int8,
    check_shape,
    check_shifts,
    scale,
    zero_point,
)

_LOOPS = 3


@dataclass(frozen=True, slots=True)
class ReductionOptions:
    """Options of the reductions."""

    keep_dims: bool


def parse(table: Table | None) -> ReductionOptions:
    return ReductionOptions(table is not None and table.bool(0))


def _axes(view: NodeView) -> tuple[int, ...]:
    """The reduced axes, ascending; the file may name one twice, or from the back."""
    rank = len(view.input().shape)
    return tuple(sorted({axis % rank for axis in integers(view.input(1))})) if rank else ()


def _count(view: NodeView) -> int:
    """Elements that make one element of the output."""
    return view.input().elements // view.output().elements


def _loops(view: NodeView) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Size and stride of the kept axes and of the reduced ones, neighbours merged."""
    axes, shape = _axes(view), view.input().shape
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


def _loop_fields(view: NodeView) -> tuple[tuple[str, FieldValue], ...]:
    fields: list[tuple[str, FieldValue]] = []
    for name, loops in zip(("kept", "reduced"), _loops(view), strict=True):
        padded = [(1, 0)] * (_LOOPS - len(loops)) + loops
        fields.append((f"{name}_shape", tuple(size for size, _ in padded)))
        fields.append((f"{name}_strides", tuple(stride for _, stride in padded)))
    return tuple(fields)


def _times(view: NodeView) -> Times:
    """Output after output; each step reads all that it is made of."""
    source, out, axes = view.input(), view.output(), _axes(view)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(source.shape))
    steps = np.arange(out.elements)
    return Times(np.broadcast_to(steps.reshape(kept), source.shape).reshape(-1), steps)


def _check(view: NodeView) -> None:
    check_counts(view, (2,))
    source, axes, out = view.input(), view.input(1), view.output()
    check_int8(view, source, out)
    check_integers(view, axes, "axes")
    rank = len(source.shape)
    for axis in integers(axes) if rank else ():
        check_axis(view, axis, rank)
    reduced = _axes(view)
    keep_dims = view.options.keep_dims
    shape = tuple(
        1 if axis in reduced else size
        for axis, size in enumerate(source.shape)
        if keep_dims or axis not in reduced
    )
    check_shape(view, out, shape)
    view.require(
        all(len(loops) <= _LOOPS for loops in _loops(view)),
        f"its axes {list(reduced)} of {list(source.shape)} lie too far apart",
        "Reduce the axes in two steps.",
    )


def _work(view: NodeView) -> Work:
    """Calls, outputs, outer rounds of their sums, runs of these, elements."""
    sizes = [1] * _LOOPS + [size for size, _ in _loops(view)[1]]
    outputs = view.output().elements
    return (
        1,
        outputs,
        outputs * sizes[-3],
        outputs * sizes[-3] * sizes[-2],
        view.input().elements,
    )


def sum_operator(name: str, code: int, max_version: int, *, mean: bool) -> Operator:
    """MEAN or SUM: one requantisation of a 32-bit sum."""

    def multiplier(view: NodeView) -> tuple[int, int]:
        found = quantize_multiplier(scale(view.input()) / scale(view.output()))
        return mean_multiplier(*found, _count(view)) if mean else found

    def check(view: NodeView) -> None:
        _check(view)
        shift = multiplier(view)[1]
        check_shifts(view, (shift,))
        # Room is left for adding the zero point.
        view.require(
            255 * _count(view) << max(shift, 0) < 2**31 - 128,
            f"{_count(view)} elements times a ratio of scales are too large for 32 bits",
            "The scales in the file are out of proportion; calibrate with real data.",
        )

    def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        source, out = inputs[0], view.output()
        assert source is not None
        sums = source.astype(np.int64).sum(axis=_axes(view)).reshape(out.shape)
        sums -= zero_point(view.input()) * _count(view)
        scaled = multiply_by_quantized_multiplier(sums, *multiplier(view)) + zero_point(out)
        return (np.clip(scaled, INT8_MIN, INT8_MAX).astype(np.int8),)

    def lower(view: NodeView) -> Call:
        fixed, shift = multiplier(view)
        return Call(
            fields=(
                *_loop_fields(view),
                ("offset", -zero_point(view.input()) * _count(view)),
                ("multiplier", fixed),
                ("shift", shift),
                ("output_zero_point", zero_point(view.output())),
            ),
            arguments=(Input(0), Output()),
            times=(_times(view),),
        )

    return Operator(
        name=name,
        code=code,
        max_version=max_version,
        parse=parse,
        check=check,
        reference=reference,
        kernels=(Kernel("reduce_sum", "reduce_sum.h", lower, _work),),
    )


def extremum_operator(name: str, code: int, max_version: int, *, largest: bool) -> Operator:
    """REDUCE_MAX or REDUCE_MIN; TFLM demands one quantisation for input and output."""

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
        found = (np.max if largest else np.min)(source, axis=_axes(view))
        return (np.asarray(found).reshape(view.output().shape),)

    def lower(view: NodeView) -> Call:
        return Call(
            fields=(*_loop_fields(view), ("sign", 1 if largest else -1)),
            arguments=(Input(0), Output()),
            times=(_times(view),),
        )

    return Operator(
        name=name,
        code=code,
        max_version=max_version,
        parse=parse,
        check=check,
        reference=reference,
        kernels=(Kernel("reduce_extremum", "reduce_extremum.h", lower, _work),),
    )
