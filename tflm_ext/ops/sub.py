"""SUB, with broadcasting and fused activations."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.ir import NodeView
from tflm_ext.ops import add, elementwise
from tflm_ext.ops.base import Array, Call, Kernel, Operator


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    return add.signed_sum(view, inputs, -1)


def _lower(view: NodeView) -> Call:
    return add.lower(view, -1)


OPERATOR = Operator(
    name="SUB",
    code=41,
    max_version=5,
    parse=elementwise.parse_binary,
    check=add.check,
    reference=reference,
    kernels=(Kernel("add", "add.h", _lower, elementwise.work),),
)
