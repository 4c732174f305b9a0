"""ADD, with broadcasting and fused activations; SUB differs in a sign."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.ops import elementwise
from tflm_ext.ops.base import Array, Call, Kernel, Operator
from tflm_ext.ops.common import scale, zero_point

_LEFT_SHIFT = 20


def _ratios(view: NodeView) -> tuple[float, float, float]:
    """Of input 1, input 2 and the output to the common scale."""
    first, second, common = elementwise.common_scale(view)
    return first, second, common / ((1 << _LEFT_SHIFT) * scale(view.output()))


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    ratio = _ratios(view)[2]
    view.require(
        ratio < 1 and quantize_multiplier(ratio)[1] <= 0,
        f"its output's scale {scale(view.output()):.3g} is too small for the inputs'",
        "The scales in the file are out of proportion; calibrate with real data.",
    )


def signed_sum(view: NodeView, inputs: Sequence[Array | None], sign: int) -> tuple[Array, ...]:
    """Input 1 plus or minus input 2."""
    ratios = _ratios(view)
    first, second = elementwise.to_common_scale(view, inputs, ratios, _LEFT_SHIFT)
    return elementwise.finish(
        view,
        multiply_by_quantized_multiplier(first + sign * second, *quantize_multiplier(ratios[2])),
    )


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    return signed_sum(view, inputs, 1)


def lower(view: NodeView, sign: int) -> Call:
    """The call of the kernel that adds or subtracts."""
    return elementwise.call(
        view,
        *elementwise.zero_point_fields(view),
        *elementwise.multiplier_fields(_ratios(view)),
        ("sign", sign),
    )


def _lower(view: NodeView) -> Call:
    return lower(view, 1)


def _scaled_order(view: NodeView) -> tuple[int, int]:
    """The input at half of the common scale, and the other one."""
    first, second, _ = _ratios(view)
    return (0, 1) if first >= second else (1, 0)


def _scaled_numbers(view: NodeView) -> tuple[tuple[int, int], tuple[int, int]]:
    """Multiplier and shift of the input at the smaller scale, and of the output."""
    *ratios, out = _ratios(view)
    return quantize_multiplier(min(ratios)), quantize_multiplier(out)


def _scaled_applies(view: NodeView) -> bool:
    (multiplier, shift), (_, out_shift) = _scaled_numbers(view)
    shifts_right = -31 <= shift <= -1 and -31 <= out_shift <= -1
    return multiplier > 0 and shifts_right


def _lower_scaled(view: NodeView) -> Call:
    order = _scaled_order(view)
    (multiplier, shift), (out_multiplier, out_shift) = _scaled_numbers(view)
    half, other = (zero_point(view.input(i)) for i in order)
    return elementwise.call(
        view,
        ("offset1", -half << _LEFT_SHIFT),
        ("offset2", -other << (_LEFT_SHIFT + 1)),
        ("multiplier2", multiplier),
        ("step2", elementwise.step(shift)),
        ("output_multiplier", out_multiplier),
        ("output_step", elementwise.step(out_shift)),
        ("output_zero_point", zero_point(view.output())),
        order=order,
        limited=True,
    )


OPERATOR = Operator(
    name="ADD",
    code=0,
    max_version=5,
    parse=elementwise.parse_binary,
    check=check,
    reference=reference,
    kernels=(
        Kernel("add_scaled", "add_scaled.h", _lower_scaled, elementwise.work, _scaled_applies),
        Kernel("add", "add.h", _lower, elementwise.work),
    ),
)
