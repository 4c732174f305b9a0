"""DIV: div.h."""

from __future__ import annotations

import numpy as np

from tflm_ext.arithmetic import quantize_multiplier, reciprocal
from tflm_ext.ir import NodeView
from tflm_ext.kernels import elementwise
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.ops.div import ratio_of


def _lower(view: NodeView) -> KernelCall:
    multiplier, shift = quantize_multiplier(ratio_of(view))
    return elementwise.call(
        view,
        *elementwise.zero_point_fields(view),
        ("output_multiplier", multiplier),
        ("output_shift", shift),
        ("reciprocal_of_0", int(reciprocal(np.array(0))[0])),
    )


DIV = Kernel("div", "div.h", _lower, elementwise.work)
