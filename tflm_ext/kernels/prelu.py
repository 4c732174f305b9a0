"""PRELU: prelu.h."""

from __future__ import annotations

from tflm_ext.arithmetic import quantize_multiplier
from tflm_ext.ir import NodeView
from tflm_ext.kernels import elementwise
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.ops.prelu import ratios_of


def _lower(view: NodeView) -> KernelCall:
    positive, negative = (quantize_multiplier(ratio) for ratio in ratios_of(view))
    return elementwise.call(
        view,
        *elementwise.zero_point_fields(view),
        ("positive_multiplier", positive[0]),
        ("positive_shift", positive[1]),
        ("negative_multiplier", negative[0]),
        ("negative_shift", negative[1]),
    )


PRELU = Kernel("prelu", "prelu.h", _lower, elementwise.work)
