"""ADD with right shifts only: add_scaled.h."""

from __future__ import annotations

from tflm_ext.arithmetic import quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.kernels import elementwise
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.ops.add import LEFT_SHIFT, ratios_of
from tflm_ext.opslib.common import zero_point


def _order(view: NodeView) -> tuple[int, int]:
    """The numbers of the input with half of the common scale, and of the other."""
    first, second, _ = ratios_of(view)
    return (0, 1) if first >= second else (1, 0)


def _requantizations(view: NodeView) -> tuple[tuple[int, int], tuple[int, int]]:
    """Multiplier and shift of the input with the smaller scale, and of the output."""
    *ratios, out = ratios_of(view)
    return quantize_multiplier(min(ratios)), quantize_multiplier(out)


def _applies(view: NodeView) -> bool:
    (multiplier, shift), (_, out_shift) = _requantizations(view)
    shifts_right = -31 <= shift <= -1 and -31 <= out_shift <= -1
    return multiplier > 0 and shifts_right


def _lower(view: NodeView) -> KernelCall:
    order = _order(view)
    (multiplier, shift), (out_multiplier, out_shift) = _requantizations(view)
    half, other = (zero_point(view.input(i)) for i in order)
    return elementwise.call(
        view,
        ("offset1", -half << LEFT_SHIFT),
        ("offset2", -other << (LEFT_SHIFT + 1)),
        ("multiplier2", multiplier),
        ("step2", elementwise.step(shift)),
        ("output_multiplier", out_multiplier),
        ("output_step", elementwise.step(out_shift)),
        ("output_zero_point", zero_point(view.output())),
        order=order,
        limited=True,
    )


ADD = Kernel("add_scaled", "add_scaled.h", _lower, elementwise.work, _applies)
