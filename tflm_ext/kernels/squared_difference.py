"""SQUARED_DIFFERENCE: squared_difference.h."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.kernels import elementwise
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.ops.squared_difference import ratios_of


def _lower(view: NodeView) -> KernelCall:
    return elementwise.call(
        view, *elementwise.zero_point_fields(view), *elementwise.multiplier_fields(ratios_of(view))
    )


SQUARED_DIFFERENCE = Kernel("squared_difference", "squared_difference.h", _lower, elementwise.work)
