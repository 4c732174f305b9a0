"""AVERAGE_POOL_2D: mean of the part of a window that is inside the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.arithmetic import divide_half_away
from tflm_ext.ir import NodeView
from tflm_ext.opslib import pooling
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.windows import patches


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    image = inputs[0]
    assert image is not None
    rows, columns = pooling.axes(view)
    sums = patches(image.astype(np.int64), rows, columns, 0).sum((3, 4))
    counts = patches(np.ones((1, *image.shape[1:3], 1), np.int64), rows, columns, 0).sum((3, 4))
    return (np.clip(divide_half_away(sums, counts), *pooling.limits(view)).astype(np.int8),)


OPERATOR = Operator(
    name="AVERAGE_POOL_2D",
    code=1,
    max_version=3,
    options_type=5,
    parse=pooling.parse,
    check=pooling.check,
    reference=reference,
    refuses="different scales for input and output; windows of 2^23 elements or more",
)
