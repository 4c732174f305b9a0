"""SQUARED_DIFFERENCE, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.ops import elementwise
from tflm_ext.ops.base import Array, Call, Kernel, Operator
from tflm_ext.ops.common import check_requantization, scale

_LEFT_SHIFT = 7


def _ratios(view: NodeView) -> tuple[float, float, float]:
    """Of input 1, input 2 and the output to the common scale."""
    first, second, common = elementwise.common_scale(view)
    fine_output = (1 << (2 * _LEFT_SHIFT)) * scale(view.output())
    return first, second, common * common / fine_output


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    # Half of 255 steps either way, 2**7 times finer.
    check_requantization(view, (255 << _LEFT_SHIFT) ** 2, _ratios(view)[2])


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    ratios = _ratios(view)
    first, second = elementwise.to_common_scale(view, inputs, ratios, _LEFT_SHIFT)
    scaled = multiply_by_quantized_multiplier(
        (first - second) ** 2, *quantize_multiplier(ratios[2])
    )
    return elementwise.finish(view, scaled)


def _lower(view: NodeView) -> Call:
    return elementwise.call(
        view, *elementwise.zero_point_fields(view), *elementwise.multiplier_fields(_ratios(view))
    )


OPERATOR = Operator(
    name="SQUARED_DIFFERENCE",
    code=99,
    max_version=2,
    check=check,
    reference=reference,
    kernels=(Kernel("squared_difference", "squared_difference.h", _lower, elementwise.work),),
)
