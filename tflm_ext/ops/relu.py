"""RELU as a separate operator: negative values become 0, all others are requantised."""

from __future__ import annotations

import numpy as np

from tflm_ext.ir import NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import check_requantization, scale, zero_point


def _ratio(view: NodeView) -> float:
    return scale(view.input()) / scale(view.output())


def check(view: NodeView) -> None:
    lookup.check_unary(view)
    check_requantization(view, 255, _ratio(view))


def table(view: NodeView) -> Array:
    results = lookup.rescaled(view, lookup.centred(view), _ratio(view))
    return np.maximum(results, np.int8(zero_point(view.output())))


OPERATOR = lookup.operator("RELU", 19, 3, table, check=check)
