"""LOGISTIC: the sigmoid function."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic import (
    INT8_MAX,
    INT8_MIN,
    input_radius,
    logistic,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
    sigmoid_multiplier,
)
from tflm_ext.ir import NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import scale, zero_point


def check(view: NodeView) -> None:
    check_sigmoid(view)
    view.require(
        zero_point(view.output()) == -128,
        f"its output's zero point is {zero_point(view.output())}, not -128",
        "Convert the model with TensorFlow Lite's own converter, which uses -128.",
        view.output(),
    )


def check_sigmoid(view: NodeView) -> None:
    """Require what LOGISTIC and TANH have in common."""
    lookup.check_unary(view)
    view.require(
        0 <= sigmoid_multiplier(scale(view.input()))[1] < 63,
        f"the scale of its input, {scale(view.input()):.3g}, is out of range",
        "Calibrate the model with real data.",
        view.input(),
    )


def fixed_point(view: NodeView) -> tuple[Array, Array]:
    """All 256 inputs in steps of 2**-27, and whether they saturate: -1 below, 1 above, else 0."""
    multiplier, shift = sigmoid_multiplier(scale(view.input()))
    centred = lookup.centred(view)
    radius = input_radius(4, shift)
    beyond = np.where(centred <= -radius, -1, np.where(centred >= radius, 1, 0))
    inside = np.where(beyond == 0, centred, 0)
    # If every input saturates, the shift may be larger than the arithmetic allows.
    return multiply_by_quantized_multiplier(inside, multiplier, min(shift, 30)), beyond


def table(view: NodeView) -> Array:
    values, beyond = fixed_point(view)
    results = rounding_divide_by_pot(logistic(values), 23) + INT8_MIN
    return lookup.saturate(np.select([beyond < 0, beyond > 0], [INT8_MIN, INT8_MAX], results))


OPERATOR = lookup.operator(
    "LOGISTIC", 14, 3, table, check=check, refuses="an output zero point other than -128"
)
