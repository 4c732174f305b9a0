"""REDUCE_MAX and REDUCE_MIN: reduce_extremum.h."""

from __future__ import annotations

from functools import partial

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output
from tflm_ext.kernels.reduction import loop_fields, times_of, work


def _lower(view: NodeView, sign: int) -> KernelCall:
    return KernelCall(
        fields=(*loop_fields(view), ("sign", sign)),
        arguments=(Input(0), Output()),
        times=(times_of(view),),
    )


REDUCE_MAX = Kernel("reduce_extremum", "reduce_extremum.h", partial(_lower, sign=1), work)
REDUCE_MIN = Kernel("reduce_extremum", "reduce_extremum.h", partial(_lower, sign=-1), work)
