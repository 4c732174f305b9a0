"""ELU: exp(x) - 1 for negative values, which TFLM tabulates in float32 when it starts."""

from __future__ import annotations

from tflm_ext.arithmetic import elu_array
from tflm_ext.ir import NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import check_requantization, scale, zero_point


def check(view: NodeView) -> None:
    lookup.check_unary(view)
    check_requantization(view, 255, scale(view.input()) / scale(view.output()))
    check_requantization(view, 1, 1.0 / scale(view.output()))


def table(view: NodeView) -> Array:
    out = view.output()
    centred = lookup.centred(view)
    return lookup.saturate(elu_array(centred, scale(view.input()), scale(out), zero_point(out)))


OPERATOR = lookup.operator("ELU", 111, 1, table, check=check)
