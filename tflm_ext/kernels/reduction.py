"""What kernels of reductions have in common: loops, and when they read and write."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import FieldValue, Times
from tflm_ext.opslib.reduction import LOOPS, axes_of, loops_of


class ReductionWork(NamedTuple):
    """Work of one call: outer rounds of all outputs, runs in these rounds, elements."""

    calls: int
    outputs: int
    rounds: int
    runs: int
    elements: int


def loop_fields(view: NodeView) -> tuple[tuple[str, FieldValue], ...]:
    fields: list[tuple[str, FieldValue]] = []
    for name, loops in zip(("kept", "reduced"), loops_of(view), strict=True):
        padded = [(1, 0)] * (LOOPS - len(loops)) + loops
        fields.append((f"{name}_shape", tuple(size for size, _ in padded)))
        fields.append((f"{name}_strides", tuple(stride for _, stride in padded)))
    return tuple(fields)


def times_of(view: NodeView) -> Times:
    """Times: each step reads all inputs of one output."""
    source, out, axes = view.input(), view.output(), axes_of(view)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(source.shape))
    steps = np.arange(out.elements)
    return Times(np.broadcast_to(steps.reshape(kept), source.shape).reshape(-1), steps)


def work(view: NodeView) -> ReductionWork:
    sizes = [1] * LOOPS + [size for size, _ in loops_of(view)[1]]
    outputs = view.output().elements
    return ReductionWork(
        1,
        outputs,
        outputs * sizes[-3],
        outputs * sizes[-3] * sizes[-2],
        view.input().elements,
    )
