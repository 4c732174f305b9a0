"""What kernels on two int8 tensors have in common: broadcasting, fields and work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tflm_ext.arithmetic import quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import (
    Argument,
    FieldValue,
    Input,
    KernelCall,
    Output,
    one_by_one,
    output_limits,
)
from tflm_ext.opslib.common import zero_point
from tflm_ext.opslib.elementwise import output_range


class ElementwiseWork(NamedTuple):
    """Work of one call; along a run, both inputs advance with constant steps."""

    calls: int
    runs: int
    elements: int


_AXES = 5


@dataclass(frozen=True, slots=True)
class _Axis:
    size: int
    step1: int
    step2: int


def _axes(view: NodeView, order: tuple[int, int]) -> list[_Axis]:
    """The output's axes, outermost first, without those of size 1, neighbours joined."""
    rank = len(view.output().shape)
    shapes = [(1,) * (rank - len(t.shape)) + t.shape for t in map(view.input, order)]
    axes: list[_Axis] = []
    strides = [1, 1]
    for size, *sizes in reversed(list(zip(view.output().shape, *shapes, strict=True))):
        steps = [0 if n == 1 else stride for n, stride in zip(sizes, strides, strict=True)]
        if size > 1:
            inner = axes[0] if axes else None
            if inner and all(
                (step == 0) == (of_inner == 0)
                for step, of_inner in zip(steps, (inner.step1, inner.step2), strict=True)
            ):
                axes[0] = _Axis(inner.size * size, inner.step1, inner.step2)
            else:
                axes.insert(0, _Axis(size, *steps))
        strides = [n * stride for n, stride in zip(sizes, strides, strict=True)]
    return axes


def broadcast_fields(
    view: NodeView, order: tuple[int, int] = (0, 1)
) -> tuple[tuple[str, FieldValue], ...]:
    """The members of tflm_ext_broadcast_t, which kernels have as their member `shape`."""
    *outer, run = _axes(view, order) or [_Axis(1, 1, 1)]
    outer = [_Axis(1, 0, 0)] * (_AXES - len(outer)) + outer
    return (
        ("shape.runs", int(np.prod([axis.size for axis in outer]))),
        ("shape.length", run.size),
        ("shape.step1", run.step1),
        ("shape.step2", run.step2),
        ("shape.sizes", tuple(axis.size for axis in outer)),
        ("shape.steps1", tuple(axis.step1 for axis in outer)),
        ("shape.steps2", tuple(axis.step2 for axis in outer)),
    )


def call(
    view: NodeView,
    *fields: tuple[str, FieldValue],
    order: tuple[int, int] = (0, 1),
    limited: bool = False,
) -> KernelCall:
    """The call of an elementwise kernel.

    Args:
        view: of the node.
        fields: of the kernel's struct, after the shape.
        order: of the inputs.
        limited: whether a call of LIMIT applies a fused activation.
    """
    arguments: tuple[Argument, ...] = (*map(Input, order), Output())
    out = view.output()
    return KernelCall(
        fields=(*broadcast_fields(view, order), *fields),
        arguments=arguments,
        times=tuple(one_by_one(out, i) for i in (0, 1) if view.input(i).bytes == out.bytes),
        limits=output_limits(out.dtype, *output_range(view)) if limited else None,
    )


def multiplier_fields(ratios: Sequence[float]) -> tuple[tuple[str, FieldValue], ...]:
    """Multipliers and shifts of both inputs and the output."""
    return tuple(
        field
        for name, ratio in zip(("input1", "input2", "output"), ratios, strict=True)
        for field in zip(
            (f"{name}_multiplier", f"{name}_shift"), quantize_multiplier(ratio), strict=True
        )
    )


def zero_point_fields(view: NodeView) -> tuple[tuple[str, FieldValue], ...]:
    """Zero points and range, as most elementwise kernels need them."""
    low, high = output_range(view)
    return (
        ("input1_zero_point", zero_point(view.input(0))),
        ("input2_zero_point", zero_point(view.input(1))),
        ("output_zero_point", zero_point(view.output())),
        ("output_min", low),
        ("output_max", high),
    )


def step(shift: int) -> int:
    """The step of tflm_ext_scale_to_int8() for a right shift of 1 to 31."""
    return -(1 << (32 + shift))


def work(view: NodeView) -> ElementwiseWork:
    *outer, _ = _axes(view, (0, 1)) or [_Axis(1, 1, 1)]
    runs = math.prod(axis.size for axis in outer)
    return ElementwiseWork(1, runs, view.output().elements)
