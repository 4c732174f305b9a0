"""What operators on two int8 tensors share: broadcasting and fused activations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import (
    Activation,
    activation_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.ops.base import (
    Argument,
    Array,
    Call,
    FieldValue,
    Input,
    Output,
    Work,
    one_by_one,
    output_limits,
)
from tflm_ext.ops.common import (
    check_activation,
    check_counts,
    check_int8,
    check_rank,
    parse_activation,
    scale,
    zero_point,
)

_AXES = 5


@dataclass(frozen=True, slots=True)
class BinaryOptions:
    """Options of ADD, SUB, MUL and DIV."""

    activation: Activation


def parse_binary(table: Table | None) -> BinaryOptions:
    return BinaryOptions(parse_activation(0 if table is None else table.int8(0)))


def check_binary(view: NodeView) -> None:
    """Require two int8 inputs and an int8 output of the shape to which they are broadcast."""
    check_counts(view, (2,))
    first, second, out = view.input(0), view.input(1), view.output()
    check_int8(view, first, second, out)
    check_rank(view, first, second, out)
    pairs = itertools.zip_longest(first.shape[::-1], second.shape[::-1], fillvalue=1)
    sizes = tuple(a if b == 1 else b if a in (1, b) else 0 for a, b in pairs)[::-1]
    view.require(
        out.shape == sizes,
        f"its shape is {list(out.shape)}, but its inputs have {list(first.shape)} and "
        f"{list(second.shape)}",
        "The file is damaged or was written by an unknown converter.",
        out,
    )
    if view.options is not None:
        check_activation(view, view.options.activation, out)


def output_range(view: NodeView) -> tuple[int, int]:
    """Smallest and largest output after the fused activation, if there is one."""
    activation = Activation.NONE if view.options is None else view.options.activation
    return activation_range(activation, scale(view.output()), zero_point(view.output()))


def centred(view: NodeView, inputs: Sequence[Array | None], i: int) -> Array:
    """The values of an input minus its zero point."""
    values = inputs[i]
    assert values is not None
    return values.astype(np.int64) - zero_point(view.input(i))


def finish(view: NodeView, scaled: Array) -> tuple[Array, ...]:
    """Add the zero point, apply the activation: the results of a reference."""
    low, high = output_range(view)
    return (np.clip(scaled + zero_point(view.output()), low, high).astype(np.int8),)


def common_scale(view: NodeView) -> tuple[float, float, float]:
    """The ratios of both inputs' scales to a common one, and that: twice the larger of them."""
    first, second = scale(view.input(0)), scale(view.input(1))
    common = 2 * max(first, second)
    return first / common, second / common, common


def to_common_scale(
    view: NodeView, inputs: Sequence[Array | None], ratios: Sequence[float], left_shift: int
) -> list[Array]:
    """Both inputs, centred, times 2**left_shift and their ratios."""
    return [
        multiply_by_quantized_multiplier(
            centred(view, inputs, i) << left_shift, *quantize_multiplier(ratios[i])
        )
        for i in (0, 1)
    ]


def multiplier_fields(ratios: Sequence[float]) -> tuple[tuple[str, FieldValue], ...]:
    """Multipliers and shifts of both inputs and the output."""
    return tuple(
        field
        for name, ratio in zip(("input1", "input2", "output"), ratios, strict=True)
        for field in zip(
            (f"{name}_multiplier", f"{name}_shift"), quantize_multiplier(ratio), strict=True
        )
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    size: int
    step1: int
    step2: int


def _axes(view: NodeView, order: tuple[int, int]) -> list[_Axis]:
    """The output's axes, outermost first, those of size 1 left out and neighbours joined."""
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
) -> Call:
    """The call of an elementwise kernel.

    Args:
        view: of the node.
        fields: of the kernel's struct, behind the shape.
        order: of the inputs.
        limited: whether a fused activation is left to a call of LIMIT.
    """
    arguments: tuple[Argument, ...] = (*map(Input, order), Output())
    elements = view.output().elements
    return Call(
        fields=(*broadcast_fields(view, order), *fields),
        arguments=arguments,
        times=tuple(one_by_one(elements, i) for i in (0, 1) if view.input(i).elements == elements),
        limits=output_limits(*output_range(view)) if limited else None,
    )


def step(shift: int) -> int:
    """The step of tflm_ext_scale_to_int8() for a right shift of 1 to 31."""
    return -(1 << (32 + shift))


def zero_point_fields(view: NodeView) -> tuple[tuple[str, FieldValue], ...]:
    """Zero points and range as most elementwise kernels want them."""
    low, high = output_range(view)
    return (
        ("input1_zero_point", zero_point(view.input(0))),
        ("input2_zero_point", zero_point(view.input(1))),
        ("output_zero_point", zero_point(view.output())),
        ("output_min", low),
        ("output_max", high),
    )


def work(view: NodeView) -> Work:
    """Calls, runs, elements."""
    *outer, _ = _axes(view, (0, 1)) or [_Axis(1, 1, 1)]
    return 1, math.prod(axis.size for axis in outer), view.output().elements
