"""MUL, with broadcasting and fused activations."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.opslib import elementwise
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_requantization, scale


def ratio_of(view: NodeView) -> float:
    return scale(view.input(0)) * scale(view.input(1)) / scale(view.output())


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    check_requantization(view, 255 * 255, ratio_of(view))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    product = elementwise.centred(view, inputs, 0) * elementwise.centred(view, inputs, 1)
    return elementwise.finish(
        view, multiply_by_quantized_multiplier(product, *quantize_multiplier(ratio_of(view)))
    )


OPERATOR = Operator(
    name="MUL",
    code=18,
    max_version=7,
    options_type=21,
    parse=elementwise.parse_binary,
    check=check,
    reference=reference,
)
