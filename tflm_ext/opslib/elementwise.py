"""Code shared by operators on two int8 tensors: broadcasting and fused activations."""

from __future__ import annotations

import itertools
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
from tflm_ext.opslib.base import (
    Array,
)
from tflm_ext.opslib.common import (
    check_activation,
    check_counts,
    check_int8,
    check_rank,
    parse_activation,
    scale,
    zero_point,
)


@dataclass(frozen=True, slots=True)
class BinaryOptions:
    """Options of ADD, SUB, MUL and DIV."""

    activation: Activation


def parse_binary(table: Table | None) -> BinaryOptions:
    return BinaryOptions(parse_activation(0 if table is None else table.int8(0)))


def check_binary(view: NodeView) -> None:
    """Require two int8 inputs, and an int8 output of the shape that they are broadcast to."""
    check_counts(view, (2,))
    first, second, out = view.input(0), view.input(1), view.output()
    check_int8(view, first, second, out)
    check_rank(view, first, second, out)
    pairs = itertools.zip_longest(first.shape[::-1], second.shape[::-1], fillvalue=1)
    sizes = tuple(a if b == 1 else b if a in (1, b) else 0 for a, b in pairs)[::-1]
    view.require(
        out.shape == sizes,
        f"its shape is {list(out.shape)}, but the inputs have the shapes {list(first.shape)} and "
        f"{list(second.shape)}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
        out,
    )
    if view.options is not None:
        check_activation(view, view.options.activation, out)


def output_range(view: NodeView) -> tuple[int, int]:
    """Smallest and largest output, after the fused activation if there is one."""
    activation = Activation.NONE if view.options is None else view.options.activation
    return activation_range(activation, scale(view.output()), zero_point(view.output()))


def centred(view: NodeView, inputs: Sequence[Array | None], i: int) -> Array:
    """Values of an input minus its zero point."""
    values = inputs[i]
    assert values is not None
    return values.astype(np.int64) - zero_point(view.input(i))


def finish(view: NodeView, scaled: Array) -> tuple[Array, ...]:
    """Add the zero point and apply the activation: the last step of a reference."""
    low, high = output_range(view)
    return (np.clip(scaled + zero_point(view.output()), low, high).astype(np.int8),)


def common_scale(view: NodeView) -> tuple[float, float, float]:
    """Ratios of both inputs' scales to the common scale, and that scale: twice the larger one."""
    first, second = scale(view.input(0)), scale(view.input(1))
    common = 2 * max(first, second)
    return first / common, second / common, common


def to_common_scale(
    view: NodeView, inputs: Sequence[Array | None], ratios: Sequence[float], left_shift: int
) -> list[Array]:
    """Both inputs minus their zero points, times 2**left_shift and their ratios."""
    return [
        multiply_by_quantized_multiplier(
            centred(view, inputs, i) << left_shift, *quantize_multiplier(ratios[i])
        )
        for i in (0, 1)
    ]
