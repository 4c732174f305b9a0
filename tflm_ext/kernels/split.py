"""Operators that split a tensor along an axis: split.h."""

from __future__ import annotations

from collections.abc import Callable

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Outputs
from tflm_ext.kernels.join import RunsWork, rounds_of
from tflm_ext.ops import split, split_v, unpack


def split_kernel(index: int, axis: Callable[[NodeView], int]) -> Kernel:
    """The kernel of an operator that splits input `index` along an axis into its outputs."""

    def lower(view: NodeView) -> KernelCall:
        rounds = rounds_of(view.input(index).shape, axis(view))
        layout = f"[output {view.output_count}], bytes copied in a round"
        return KernelCall(
            fields=(("rounds", rounds), ("outputs", view.output_count)),
            arguments=(
                Input(index),
                Const.of("runs", DType.INT32, [t.bytes // rounds for t in view.outputs], layout),
                Outputs(),
            ),
        )

    def work(view: NodeView) -> RunsWork:
        rounds = rounds_of(view.input(index).shape, axis(view))
        return RunsWork(1, rounds, rounds * view.output_count, view.input(index).bytes)

    return Kernel("split", "split.h", lower, work)


SPLIT = split_kernel(1, split.axis_of)
SPLIT_V = split_kernel(0, split_v.axis_of)
UNPACK = split_kernel(0, unpack.axis_of)
