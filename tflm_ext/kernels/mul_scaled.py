"""MUL with a right shift: mul_scaled.h."""

from __future__ import annotations

from tflm_ext.arithmetic import quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.kernels import elementwise
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.ops.mul import ratio_of
from tflm_ext.opslib.common import zero_point


def _applies(view: NodeView) -> bool:
    shift = quantize_multiplier(ratio_of(view))[1]
    return -31 <= shift <= -1


def _lower(view: NodeView) -> KernelCall:
    multiplier, shift = quantize_multiplier(ratio_of(view))
    return elementwise.call(
        view,
        ("input1_zero_point", zero_point(view.input(0))),
        ("input2_zero_point", zero_point(view.input(1))),
        ("output_multiplier", multiplier),
        ("output_step", elementwise.step(shift)),
        ("output_zero_point", zero_point(view.output())),
        limited=True,
    )


MUL = Kernel("mul_scaled", "mul_scaled.h", _lower, elementwise.work, _applies)
