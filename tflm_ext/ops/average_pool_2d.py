"""AVERAGE_POOL_2D: mean of a window, of which only the part inside the image counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_ext.arithmetic import divide_half_away
from tflm_ext.ir import NodeView
from tflm_ext.ops import pooling
from tflm_ext.ops.base import Array, Kernel, Operator, Work
from tflm_ext.ops.windows import patches, taps_inside

_MOST_PIXELS = 255  # whose sum stays within 16 bits


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    image = inputs[0]
    assert image is not None
    rows, columns = pooling.axes(view)
    sums = patches(image.astype(np.int64), rows, columns, 0).sum((3, 4))
    counts = patches(np.ones((1, *image.shape[1:3], 1), np.int64), rows, columns, 0).sum((3, 4))
    return (np.clip(divide_half_away(sums, counts), *pooling.limits(view)).astype(np.int8),)


def _fours_apply(view: NodeView) -> bool:
    rows, columns = pooling.axes(view)
    return view.input(0).shape[3] % 4 == 0 and rows.window * columns.window <= _MOST_PIXELS


def _fours_work(view: NodeView) -> Work:
    """Calls, pixels, fours of channels, rows of their windows, taps of these."""
    rows, columns = pooling.axes(view)
    batches, _, _, channels = view.output().shape
    fours = batches * channels // 4
    in_rows = fours * taps_inside(rows)
    pixels = rows.out * columns.out
    taps = in_rows * taps_inside(columns)
    return 1, batches * pixels, fours * pixels, in_rows * columns.out, taps


OPERATOR = Operator(
    name="AVERAGE_POOL_2D",
    code=1,
    max_version=3,
    parse=pooling.parse,
    check=pooling.check,
    reference=reference,
    kernels=(
        Kernel(
            "average_pool_2d_fours", "pool_2d_fours.h", pooling.lower, _fours_work, _fours_apply
        ),
        pooling.kernel("average_pool_2d"),
    ),
)
