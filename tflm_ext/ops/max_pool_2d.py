"""MAX_POOL_2D: largest value in a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.ir import NodeView
from tflm_ext.opslib import pooling
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.windows import patches


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    image = inputs[0]
    assert image is not None
    rows, columns = pooling.axes(view)
    largest = patches(image.astype(np.int64), rows, columns, -128).max((3, 4))
    return (np.clip(largest, *pooling.limits(view)).astype(np.int8),)


OPERATOR = Operator(
    name="MAX_POOL_2D",
    code=17,
    max_version=3,
    options_type=5,
    parse=pooling.parse,
    check=pooling.check,
    reference=reference,
    refuses="different scales for input and output",
)
