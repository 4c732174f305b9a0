"""Operators that join tensors along an axis: join.h."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Inputs, Kernel, KernelCall, Output
from tflm_ext.ops import concatenation, pack


class RunsWork(NamedTuple):
    """Work of one call of a kernel that copies some runs of bytes in every round."""

    calls: int
    rounds: int
    runs: int
    bytes: int


def rounds_of(shape: tuple[int, ...], axis: int) -> int:
    return int(np.prod(shape[:axis], dtype=np.int64))


def join_kernel(axis: Callable[[NodeView], int]) -> Kernel:
    """The kernel of an operator that joins its inputs along an axis of the output."""

    def lower(view: NodeView) -> KernelCall:
        rounds = rounds_of(view.output().shape, axis(view))
        layout = f"[input {view.input_count}], bytes copied in a round"
        return KernelCall(
            fields=(("rounds", rounds), ("inputs", view.input_count)),
            arguments=(
                Inputs(),
                Const.of("runs", DType.INT32, [t.bytes // rounds for t in view.inputs], layout),
                Output(),
            ),
        )

    def work(view: NodeView) -> RunsWork:
        rounds = rounds_of(view.output().shape, axis(view))
        return RunsWork(1, rounds, rounds * view.input_count, view.output().bytes)

    return Kernel("join", "join.h", lower, work)


CONCATENATION = join_kernel(concatenation.axis_of)
PACK = join_kernel(pack.axis_of)
