"""ABS: the absolute value."""

from __future__ import annotations

import numpy as np

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
    return lookup.rescaled(view, np.abs(lookup.centred(view)), _ratio(view))


OPERATOR = lookup.operator("ABS", 101, 5, table, check=check)
