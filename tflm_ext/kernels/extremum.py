"""MAXIMUM and MINIMUM: extremum.h."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.kernels import elementwise
from tflm_ext.kernels.base import Kernel, KernelCall


def _lower_maximum(view: NodeView) -> KernelCall:
    return elementwise.call(view, ("sign", 1))


def _lower_minimum(view: NodeView) -> KernelCall:
    return elementwise.call(view, ("sign", -1))


MAXIMUM = Kernel("extremum", "extremum.h", _lower_maximum, elementwise.work)
MINIMUM = Kernel("extremum", "extremum.h", _lower_minimum, elementwise.work)
