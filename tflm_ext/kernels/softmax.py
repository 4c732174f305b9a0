"""SOFTMAX: softmax.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, one_by_one
from tflm_ext.ops.softmax import exponentials


class SoftmaxWork(NamedTuple):
    """Work of one call; `counting` elements add to a sum if all values are equally likely."""

    calls: int
    rows: int
    elements: int
    counting: int


def _lower(view: NodeView) -> KernelCall:
    inp = view.input(0)
    table = exponentials(view)
    layout = f"[{len(table)}], 2^31 * exp(-i * beta * scale of the input)"
    return KernelCall(
        fields=(
            ("rows", inp.elements // inp.shape[-1]),
            ("size", inp.shape[-1]),
            ("steps", len(table)),
        ),
        arguments=(Input(0), Const.of("exponentials", DType.INT32, table, layout), Output()),
        times=(one_by_one(view.output()),),  # the last of three loops over a row writes
    )


def _work(view: NodeView) -> SoftmaxWork:
    inp = view.input(0)
    counting = inp.elements * len(exponentials(view)) // 256
    return SoftmaxWork(1, inp.elements // inp.shape[-1], inp.elements, counting)


SOFTMAX = Kernel("softmax", "softmax.h", _lower, _work)
