"""PRELU: negative values are multiplied by slopes, which are broadcast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.opslib import elementwise
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_requantization, scale


def ratios_of(view: NodeView) -> tuple[float, float]:
    """Ratios of scales: for values that are not negative, and for products with a slope."""
    inp, alpha, out = scale(view.input(0)), scale(view.input(1)), scale(view.output())
    return inp / out, inp * alpha / out


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    positive, negative = ratios_of(view)
    check_requantization(view, 255, positive)
    check_requantization(view, 255 * 255, negative)


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    x, slope = elementwise.centred(view, inputs, 0), elementwise.centred(view, inputs, 1)
    positive, negative = ratios_of(view)
    scaled = np.where(
        x >= 0,
        multiply_by_quantized_multiplier(x, *quantize_multiplier(positive)),
        multiply_by_quantized_multiplier(x * slope, *quantize_multiplier(negative)),
    )
    return elementwise.finish(view, scaled)


OPERATOR = Operator(
    name="PRELU",
    code=54,
    max_version=1,
    check=check,
    reference=reference,
)
