"""RESIZE_NEAREST_NEIGHBOR: resize_nearest_neighbor.h."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, Times
from tflm_ext.ops.resize_nearest_neighbor import positions_of

_WORDS = (1, 2, 4)
_MOST_TIMED = 1 << 20  # elements; a file may declare any size, and each takes 16 bytes here


class ResizeNearestWork(NamedTuple):
    """Work of one call.

    Attributes:
        words: pixels of 1, 2 or 4 bytes, for which compilers need no call of memmove.
        runs, run_bytes: all other pixels, and rows that are copied as a whole.
    """

    calls: int
    rows: int
    words: int
    runs: int
    run_bytes: int


def _lower(view: NodeView) -> KernelCall:
    batches, height, width, channels = view.input().shape
    _, rows, columns, _ = view.output().shape
    row = width * channels
    return KernelCall(
        fields=(
            ("batches", batches),
            ("image", height * row),
            ("rows", rows),
            ("columns", columns),
            ("pixel", channels),
        ),
        arguments=(
            Input(0),
            Const.of(
                *("rows", DType.INT32, positions_of(view, 1) * row),
                f"[y {rows}], first byte of the row in the input",
            ),
            Const.of(
                *("columns", DType.INT32, positions_of(view, 2) * channels),
                f"[x {columns}], first byte of the pixel in its row",
            ),
            Output(),
        ),
        times=_times(view),
    )


def _times(view: NodeView) -> tuple[Times, ...]:
    """One step for each pixel of the output; none for sizes beyond any board's memory.

    A row that is copied from the one before counts as if it were read from the input.
    """
    source, out = view.input().shape, view.output().shape
    if max(view.input().elements, view.output().elements) > _MOST_TIMED:
        return ()
    steps = np.arange(out[0] * out[1] * out[2]).reshape(out[:3])
    last_read = np.full(source[:3], -1)
    last_read[:, positions_of(view, 1)[:, np.newaxis], positions_of(view, 2)] = steps
    read, written = (np.repeat(each.reshape(-1), source[3]) for each in (last_read, steps))
    return (Times(read, written, anywhere=True),)


def _work(view: NodeView) -> ResizeNearestWork:
    batches, height, width, channels = view.output().shape
    new = batches * len(np.unique(positions_of(view, 1)))
    rows, row = batches * height, width * channels
    if channels in _WORDS:
        copied = rows - new
        return ResizeNearestWork(1, rows, new * width, copied, copied * row)
    return ResizeNearestWork(1, rows, 0, new * width + rows - new, rows * row)


RESIZE_NEAREST_NEIGHBOR = Kernel(
    "resize_nearest_neighbor", "resize_nearest_neighbor.h", _lower, _work
)
