"""MEAN and SUM: reduce_sum.h."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output
from tflm_ext.kernels.reduction import loop_fields, times_of, work
from tflm_ext.opslib.common import zero_point
from tflm_ext.opslib.reduction import count_of, sum_multiplier


def _lower(view: NodeView) -> KernelCall:
    multiplier, shift = sum_multiplier(view)
    return KernelCall(
        fields=(
            *loop_fields(view),
            ("offset", -zero_point(view.input()) * count_of(view)),
            ("multiplier", multiplier),
            ("shift", shift),
            ("output_zero_point", zero_point(view.output())),
        ),
        arguments=(Input(0), Output()),
        times=(times_of(view),),
    )


SUM = Kernel("reduce_sum", "reduce_sum.h", _lower, work)
