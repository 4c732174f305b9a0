"""RELU6 as a separate operator: clamps values to 0 to 6.

TFLM uses the input's quantisation for the output too, and ignores the output's in the file.
"""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic import INT8_MAX, quantize
from tflm_ext.ir import NodeView
from tflm_ext.opslib import lookup
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import scale, zero_point


def check(view: NodeView) -> None:
    lookup.check_unary(view)
    view.require(
        scale(view.input()) > 6.0 / 2**30,
        f"the scale of its input, {scale(view.input()):.3g}, is out of range",
        "Calibrate the model with real data.",
        view.input(),
    )


def table(view: NodeView) -> Array:
    zero = zero_point(view.input())
    six = min(quantize(6.0, scale(view.input()), zero), INT8_MAX)
    return np.clip(lookup.INPUTS, zero, six).astype(np.int8)


OPERATOR = lookup.operator("RELU6", 21, 3, table, check=check)
