"""MAXIMUM of the quantised numbers, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.ir import NodeView
from tflm_ext.ops import elementwise
from tflm_ext.ops.base import Array, Call, Kernel, Operator


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    first, second = inputs
    assert first is not None
    assert second is not None
    return (np.maximum(first, second).reshape(view.output().shape),)


def _lower(view: NodeView) -> Call:
    return elementwise.call(view, ("sign", 1))


OPERATOR = Operator(
    name="MAXIMUM",
    code=55,
    max_version=4,
    check=elementwise.check_binary,
    reference=reference,
    kernels=(Kernel("extremum", "extremum.h", _lower, elementwise.work),),
)
