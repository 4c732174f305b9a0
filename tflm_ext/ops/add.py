"""ADD, with broadcasting and fused activations."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.ops import elementwise
from tflm_ext.ops.base import Array, Call, Kernel, Operator
from tflm_ext.ops.common import scale

_LEFT_SHIFT = 20


def check(view: NodeView) -> None:
    elementwise.check_binary(view)
    check_ratios(view, ratios(view))


def ratios(view: NodeView) -> tuple[float, float, float]:
    """Of input 1, input 2 and the output to the common scale."""
    first, second = scale(view.input(0)), scale(view.input(1))
    common = 2 * max(first, second)
    return first / common, second / common, common / ((1 << _LEFT_SHIFT) * scale(view.output()))


def check_ratios(view: NodeView, ratios: Sequence[float]) -> None:
    """Require that all are above 0 and, rounded, at most 1, as TFLM does."""
    view.require(
        all(0 < ratio < 1 and quantize_multiplier(ratio)[1] <= 0 for ratio in ratios),
        f"its output's scale {scale(view.output()):.3g} is too small for the inputs'",
        "The scales in the file are out of proportion; calibrate with real data.",
    )


def to_common_scale(
    view: NodeView, inputs: Sequence[Array | None], ratios: Sequence[float], left_shift: int
) -> tuple[Array, Array]:
    """Both inputs in a common scale."""
    first, second = (
        multiply_by_quantized_multiplier(
            elementwise.centred(view, inputs, i) << left_shift, *quantize_multiplier(ratios[i])
        )
        for i in (0, 1)
    )
    return first, second


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    first, second = to_common_scale(view, inputs, ratios(view), _LEFT_SHIFT)
    scaled = multiply_by_quantized_multiplier(
        first + second, *quantize_multiplier(ratios(view)[2])
    )
    return elementwise.finish(view, scaled)


def multiplier_fields(ratios: Sequence[float]) -> tuple[tuple[str, int], ...]:
    """Multipliers and shifts of both inputs and the output."""
    return tuple(
        field
        for name, ratio in zip(("input1", "input2", "output"), ratios, strict=True)
        for field in zip(
            (f"{name}_multiplier", f"{name}_shift"), quantize_multiplier(ratio), strict=True
        )
    )


def _lower(view: NodeView) -> Call:
    return elementwise.call(
        view,
        *elementwise.zero_point_fields(view),
        *multiplier_fields(ratios(view)),
        ("sign", 1),
    )


def cost(view: NodeView) -> int:
    return elementwise.cost(view, 45)


OPERATOR = Operator(
    name="ADD",
    code=0,
    max_version=5,
    parse=elementwise.parse_binary,
    check=check,
    reference=reference,
    kernels=(Kernel("add", "add.h", _lower, cost),),
)
