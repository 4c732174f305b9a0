"""RESHAPE: the same bytes in another shape."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.opslib.base import Operator, first_input
from tflm_ext.opslib.common import check_counts
from tflm_ext.opslib.copying import check_copy, reference


def check(view: NodeView) -> None:
    # Like TFLM, use the shape of the output tensor; ignore the second input and the options.
    check_counts(view, (1, 2))
    check_copy(view)


OPERATOR = Operator(
    name="RESHAPE",
    code=22,
    max_version=1,
    check=check,
    reference=reference,
    moves=first_input,
)
