"""MUL for any scales: mul.h."""

from __future__ import annotations

from tflm_ext.arithmetic import quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.kernels import elementwise
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.ops.mul import ratio_of


def _lower(view: NodeView) -> KernelCall:
    multiplier, shift = quantize_multiplier(ratio_of(view))
    return elementwise.call(
        view,
        *elementwise.zero_point_fields(view),
        ("output_multiplier", multiplier),
        ("output_shift", shift),
    )


MUL = Kernel("mul", "mul.h", _lower, elementwise.work)
