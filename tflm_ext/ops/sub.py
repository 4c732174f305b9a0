"""SUB, with broadcasting and fused activations."""

from __future__ import annotations

from collections.abc import Sequence

from tflm_ext.ir import NodeView
from tflm_ext.ops import add
from tflm_ext.opslib import elementwise
from tflm_ext.opslib.base import Array, Operator


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    return add.signed_sum(view, inputs, -1)


OPERATOR = Operator(
    name="SUB",
    code=41,
    max_version=5,
    options_type=28,
    parse=elementwise.parse_binary,
    check=add.check,
    reference=reference,
)
