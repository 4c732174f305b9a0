"""RSQRT: 1 / sqrt(x)."""

from __future__ import annotations

import functools
import math

import numpy as np

from tflm_ext.arithmetic import (
    INT8_MAX,
    inverse_sqrt,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from tflm_ext.ir import NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import scale, zero_point

_FRACTION = 20


def _ratio(view: NodeView) -> float:
    return 1.0 / (math.sqrt(scale(view.input())) * scale(view.output()))


def check(view: NodeView) -> None:
    lookup.check_unary(view)
    view.require(
        zero_point(view.input()) == -128,
        f"its input can be negative, because its zero point is {zero_point(view.input())}, not "
        "-128; TensorFlow Lite Micro fails on negative values at run time",
        "Use rsqrt on values that cannot be negative, for example after relu or a square.",
        view.input(),
    )
    shift = quantize_multiplier(_ratio(view))[1]
    view.require(
        _FRACTION - 31 <= shift <= 29,
        f"its input has the scale {scale(view.input()):.3g} and its output "
        f"{scale(view.output()):.3g}, a ratio that TensorFlow Lite Micro cannot represent",
        "Calibrate the model with real data.",
    )


@functools.cache
def _roots() -> Array:
    """1 / sqrt(x) in steps of 2**-20 for x from 1 to 255."""
    multipliers, shifts = zip(*(inverse_sqrt(x) for x in range(1, 256)), strict=True)
    return multiply_by_quantized_multiplier(
        np.ones(255, np.int64), np.array(multipliers), np.array(shifts) + _FRACTION
    )


def table(view: NodeView) -> Array:
    multiplier, shift = quantize_multiplier(_ratio(view))
    scaled = multiply_by_quantized_multiplier(_roots(), multiplier, shift - _FRACTION)
    results = lookup.saturate(scaled + zero_point(view.output()))
    return np.concatenate([np.array([INT8_MAX], np.int8), results])


OPERATOR = lookup.operator(
    "RSQRT",
    76,
    3,
    table,
    check=check,
    refuses="an input zero point other than -128, which allows negative values",
)
