"""MUL, with broadcasting and fused activations."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.ops import elementwise
from tflm_ext.ops.base import Array, Call, Kernel, Operator
from tflm_ext.ops.common import check_requantization, scale, zero_point


def _ratio(view: NodeView) -> float:
    return scale(view.input(0)) * scale(view.input(1)) / scale(view.output())


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    check_requantization(view, 255 * 255, _ratio(view))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    product = elementwise.centred(view, inputs, 0) * elementwise.centred(view, inputs, 1)
    return elementwise.finish(
        view, multiply_by_quantized_multiplier(product, *quantize_multiplier(_ratio(view)))
    )


def _lower(view: NodeView) -> Call:
    multiplier, shift = quantize_multiplier(_ratio(view))
    return elementwise.call(
        view,
        *elementwise.zero_point_fields(view),
        ("output_multiplier", multiplier),
        ("output_shift", shift),
    )


def _scaled_applies(view: NodeView) -> bool:
    shift = quantize_multiplier(_ratio(view))[1]
    return -31 <= shift <= -1


def _lower_scaled(view: NodeView) -> Call:
    multiplier, shift = quantize_multiplier(_ratio(view))
    return elementwise.call(
        view,
        ("input1_zero_point", zero_point(view.input(0))),
        ("input2_zero_point", zero_point(view.input(1))),
        ("output_multiplier", multiplier),
        ("output_step", elementwise.step(shift)),
        ("output_zero_point", zero_point(view.output())),
        limited=True,
    )


OPERATOR = Operator(
    name="MUL",
    code=18,
    max_version=7,
    parse=elementwise.parse_binary,
    check=check,
    reference=reference,
    kernels=(
        Kernel("mul_scaled", "mul_scaled.h", _lower_scaled, elementwise.work, _scaled_applies),
        Kernel("mul", "mul.h", _lower, elementwise.work),
    ),
)
