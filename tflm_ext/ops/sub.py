"""SUB, with broadcasting and fused activations."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.arithmetic import (
    float32_product,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from tflm_ext.ir import NodeView
from tflm_ext.ops import add, elementwise
from tflm_ext.ops.base import Array, Call, Kernel, Operator
from tflm_ext.ops.common import scale

_LEFT_SHIFT = 20


def _ratios(view: NodeView) -> tuple[float, float, float]:
    """As of ADD. The source divides in float32; the build that we compare with, in double."""
    first, second = scale(view.input(0)), scale(view.input(1))
    common = float32_product(2, max(first, second))
    fine_output = float32_product(1 << _LEFT_SHIFT, scale(view.output()))
    return (
        first / common,
        second / common,
        common / fine_output,
    )


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    add.check_ratios(view, _ratios(view))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    first, second = add.to_common_scale(view, inputs, _ratios(view), _LEFT_SHIFT)
    scaled = multiply_by_quantized_multiplier(
        first - second, *quantize_multiplier(_ratios(view)[2])
    )
    return elementwise.finish(view, scaled)


def _lower(view: NodeView) -> Call:
    return elementwise.call(
        view,
        *elementwise.zero_point_fields(view),
        *add.multiplier_fields(_ratios(view)),
        ("sign", -1),
    )


OPERATOR = Operator(
    name="SUB",
    code=41,
    max_version=5,
    parse=elementwise.parse_binary,
    check=check,
    reference=reference,
    kernels=(Kernel("add", "add.h", _lower, add.cost),),
)
