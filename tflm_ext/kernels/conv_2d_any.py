"""CONV_2D in portable C for any weights and shifts: conv_2d_any.h."""

from __future__ import annotations

from functools import partial

from tflm_ext.ir import NodeView
from tflm_ext.kernels import packing
from tflm_ext.kernels.base import Kernel, KernelCall
from tflm_ext.kernels.conv_2d_columns import applies, lower_columns, work


def _lower(view: NodeView) -> KernelCall:
    return lower_columns(
        view, partial(packing.plain_stream, rows=2, multiple=packing.QUAD, filled=True)
    )


CONV_2D = Kernel("conv_2d_any", "conv_2d_any.h", _lower, work, applies)
