"""HARD_SWISH: x * relu6(x + 3) / 6 in 16-bit arithmetic."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic import quantize_multiplier, rounding_divide_by_pot
from tflm_ext.ir import NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import check_requantization, scale, zero_point

_MIN, _MAX = -(2**15), 2**15 - 1


def _ratios(view: NodeView) -> tuple[float, float]:
    """1/128 of an input step, in steps of the output and in steps of 3 / 2**15."""
    fine = scale(view.input()) / 128
    return fine / scale(view.output()), fine / (3 / 2**15)


def check(view: NodeView) -> None:
    lookup.check_unary(view)
    to_output, to_gate = _ratios(view)
    check_requantization(view, 1, to_output)
    check_requantization(view, 1, to_gate)
    view.require(
        -15 <= quantize_multiplier(to_output)[1] <= 0 and quantize_multiplier(to_gate)[1] >= -15,
        f"its input has the scale {scale(view.input()):.3g} and its output "
        f"{scale(view.output()):.3g}, a ratio that TensorFlow Lite Micro cannot represent",
        "Calibrate the model with real data.",
    )


def _int16_multiplier(ratio: float) -> tuple[int, int]:
    multiplier, shift = quantize_multiplier(ratio)
    return min((multiplier + (1 << 15)) >> 16, _MAX), shift


def _high_mul(x: Array, multiplier: int) -> Array:
    """x * multiplier / 2**15, rounded to nearest, halves upwards."""
    return (x * multiplier + (1 << 14)) >> 15


def table(view: NodeView) -> Array:
    to_output, to_gate = _ratios(view)
    fine = lookup.centred(view).astype(np.int64) * 128
    multiplier, shift = _int16_multiplier(to_output)
    scaled = _high_mul(fine, multiplier)
    gate_multiplier, gate_shift = _int16_multiplier(to_gate)
    gate = np.clip(fine << max(gate_shift - 1, 0), _MIN, _MAX)
    gate = np.clip(_high_mul(gate, gate_multiplier) << int(gate_shift > 0), _MIN, _MAX)
    gate = rounding_divide_by_pot(gate, max(-gate_shift, 0))
    opened = (gate + (1 << 15)) >> 1
    product = opened * scaled
    toward_zero = np.sign(product) * (np.abs(product) >> 15)
    return lookup.saturate(rounding_divide_by_pot(toward_zero, -shift) + zero_point(view.output()))


OPERATOR = lookup.operator(
    "HARD_SWISH", 117, 1, table, check=check, refuses="scales that need a shift of over 15 bits"
)
