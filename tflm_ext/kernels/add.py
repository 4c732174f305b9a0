"""ADD and SUB for any scales: add.h."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.kernels import elementwise
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.ops.add import ratios_of


def _lower(view: NodeView, sign: int) -> KernelCall:
    """The call of the kernel that adds or subtracts."""
    return elementwise.call(
        view,
        *elementwise.zero_point_fields(view),
        *elementwise.multiplier_fields(ratios_of(view)),
        ("sign", sign),
    )


def _lower_add(view: NodeView) -> KernelCall:
    return _lower(view, 1)


def _lower_sub(view: NodeView) -> KernelCall:
    return _lower(view, -1)


ADD = Kernel("add", "add.h", _lower_add, elementwise.work)
SUB = Kernel("add", "add.h", _lower_sub, elementwise.work)
