"""TANH: the hyperbolic tangent."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic import INT8_MAX, INT8_MIN, rounding_divide_by_pot, tanh
from tflm_ext.ir import NodeView
from tflm_ext.ops.logistic import check_sigmoid, fixed_point
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array


def table(view: NodeView) -> Array:
    values, beyond = fixed_point(view)
    results = rounding_divide_by_pot(tanh(values), 24)
    return lookup.saturate(np.select([beyond < 0, beyond > 0], [INT8_MIN, INT8_MAX], results))


OPERATOR = lookup.operator("TANH", 28, 3, table, check=check_sigmoid)
