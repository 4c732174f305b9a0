"""SQUARED_DIFFERENCE, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.opslib import elementwise
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import check_requantization, scale

_LEFT_SHIFT = 7


def ratios_of(view: NodeView) -> tuple[float, float, float]:
    """Ratios of scales: input 1 and input 2 to the common scale, the common scale to the output."""
    first, second, common = elementwise.common_scale(view)
    fine_output = (1 << (2 * _LEFT_SHIFT)) * scale(view.output())
    return first, second, common * common / fine_output


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    # At most half of 255 steps in each direction, in steps 2**7 times finer.
    check_requantization(view, (255 << _LEFT_SHIFT) ** 2, ratios_of(view)[2])


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    ratios = ratios_of(view)
    first, second = elementwise.to_common_scale(view, inputs, ratios, _LEFT_SHIFT)
    scaled = multiply_by_quantized_multiplier(
        (first - second) ** 2, *quantize_multiplier(ratios[2])
    )
    return elementwise.finish(view, scaled)


OPERATOR = Operator(
    name="SQUARED_DIFFERENCE",
    code=99,
    max_version=2,
    check=check,
    reference=reference,
)
