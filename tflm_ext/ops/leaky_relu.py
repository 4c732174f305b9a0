"""LEAKY_RELU: negative values are multiplied by a constant."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import check_requantization, scale, zero_point


@dataclass(frozen=True, slots=True)
class LeakyReluOptions:
    """Options of LEAKY_RELU."""

    alpha: float


def parse(table: Table | None) -> LeakyReluOptions:
    return LeakyReluOptions(0.0 if table is None else table.float32(0))


def _ratios(view: NodeView) -> tuple[float, float]:
    """Input scale to output scale; for negative values, times alpha, which may be negative."""
    inp, out = scale(view.input()), scale(view.output())
    return inp / out, inp * view.options.alpha / out


def check(view: NodeView) -> None:
    lookup.check_unary(view)
    view.require(
        math.isfinite(view.options.alpha),
        f"its slope alpha is {view.options.alpha}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )
    for ratio in _ratios(view):
        check_requantization(view, 255, abs(ratio))


def table(view: NodeView) -> Array:
    above, below = _ratios(view)
    centred = lookup.centred(view)
    negative = multiply_by_quantized_multiplier(centred, *quantize_multiplier(abs(below)))
    positive = multiply_by_quantized_multiplier(centred, *quantize_multiplier(above))
    results = np.where(centred >= 0, positive, -negative if below < 0 else negative)
    return lookup.saturate(results + zero_point(view.output()))


OPERATOR = lookup.operator(
    "LEAKY_RELU",
    98,
    2,
    table,
    check=check,
    parse=parse,
    options_type=75,
    refuses="a slope that is not finite",
)
