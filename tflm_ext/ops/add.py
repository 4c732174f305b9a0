"""ADD, with broadcasting and fused activations."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.opslib import elementwise
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import scale

LEFT_SHIFT = 20


def ratios_of(view: NodeView) -> tuple[float, float, float]:
    """Ratios of scales: input 1 and input 2 to the common scale, the common scale to the output."""
    first, second, common = elementwise.common_scale(view)
    return first, second, common / ((1 << LEFT_SHIFT) * scale(view.output()))


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    ratio = ratios_of(view)[2]
    view.require(
        ratio < 1 and quantize_multiplier(ratio)[1] <= 0,
        f"the scale of its output, {scale(view.output()):.3g}, is too small for its inputs' scales",
        "The scales in the file are out of proportion; calibrate with real data.",
    )


def signed_sum(view: NodeView, inputs: Sequence[Array | None], sign: int) -> tuple[Array, ...]:
    """Input 1 plus or minus input 2."""
    ratios = ratios_of(view)
    first, second = elementwise.to_common_scale(view, inputs, ratios, LEFT_SHIFT)
    return elementwise.finish(
        view,
        multiply_by_quantized_multiplier(first + sign * second, *quantize_multiplier(ratios[2])),
    )


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    return signed_sum(view, inputs, 1)


OPERATOR = Operator(
    name="ADD",
    code=0,
    max_version=5,
    options_type=11,
    parse=elementwise.parse_binary,
    check=check,
    reference=reference,
)
