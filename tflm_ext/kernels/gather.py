"""GATHER: gather.h."""

from __future__ import annotations

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output
from tflm_ext.kernels.join import RunsWork
from tflm_ext.ops.gather import sizes_of


def _lower(view: NodeView) -> KernelCall:
    batches, outer, size, count, inner = sizes_of(view)
    run = inner * view.input().dtype.size
    return KernelCall(
        fields=(
            ("batches", batches),
            ("outer", outer),
            ("axis_bytes", size * run),
            ("positions", count),
            ("run", run),
        ),
        arguments=(Input(0), Input(1), Output()),
    )


def _work(view: NodeView) -> RunsWork:
    batches, outer, _, count, _ = sizes_of(view)
    rounds = batches * outer
    return RunsWork(1, rounds, rounds * count, view.output().bytes)


GATHER = Kernel("gather", "gather.h", _lower, _work)
