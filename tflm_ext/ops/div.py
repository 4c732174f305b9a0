"""DIV, with broadcasting and fused activations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.arithmetic import (
    leading_sign_bits,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    reciprocal,
    rounding_doubling_high_mul,
    wrap_int32,
)
from tflm_ext.ir import NodeView
from tflm_ext.opslib import elementwise
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_requantization, scale


def ratio_of(view: NodeView) -> float:
    return scale(view.input(0)) / (scale(view.input(1)) * scale(view.output()))


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    check_requantization(view, 255, ratio_of(view))
    shift = quantize_multiplier(ratio_of(view))[1]
    # The remaining shift must be between -31 and 0 for every dividend and divisor: the divisor
    # takes -1 to 7 bits of it, the dividend 23 to 31.
    view.require(
        7 <= shift <= 22,
        f"its ratio of scales is {ratio_of(view):.3g}, but TensorFlow Lite Micro's division is "
        "defined for 64 to 4 million only",
        "Keep the divisor within a factor of about 4, or multiply by its reciprocal instead.",
    )


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    x, divisor = elementwise.centred(view, inputs, 0), elementwise.centred(view, inputs, 1)
    x = np.where(divisor < 0, -x, x)
    inverse, inverse_shift = reciprocal(np.abs(divisor))
    headroom = leading_sign_bits(x)
    quotient = rounding_doubling_high_mul(wrap_int32(x << headroom), inverse)
    multiplier, shift = quantize_multiplier(ratio_of(view))
    return elementwise.finish(
        view,
        multiply_by_quantized_multiplier(quotient, multiplier, shift - inverse_shift - headroom),
    )


OPERATOR = Operator(
    name="DIV",
    code=42,
    max_version=2,
    options_type=29,
    parse=elementwise.parse_binary,
    check=check,
    reference=reference,
    refuses="scales that are out of proportion",
)
