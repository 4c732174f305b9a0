"""QUANTIZE from int8 to int8, with a different scale and zero point."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import check_requantization, scale


def _ratio(view: NodeView) -> float:
    return scale(view.input()) / scale(view.output())


def check(view: NodeView) -> None:
    lookup.check_unary(view)
    check_requantization(view, 255, _ratio(view))


def table(view: NodeView) -> Array:
    return lookup.rescaled(view, lookup.centred(view), _ratio(view))


OPERATOR = lookup.operator(
    "QUANTIZE",
    114,
    4,
    table,
    check=check,
    refuses=(
        "float32 and uint8, except at inputs and outputs of the model, where it is removed, "
        "and in float islands"
    ),
)
