"""Operators that only change the shape: copy.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output, one_by_one


class CopyWork(NamedTuple):
    """Work of one call."""

    calls: int
    bytes: int


def _lower(view: NodeView) -> KernelCall:
    return KernelCall(
        fields=(("bytes", view.output().bytes),),
        arguments=(Input(0), Output()),
        times=(one_by_one(view.output()),),
    )


def _work(view: NodeView) -> CopyWork:
    return CopyWork(1, view.output().bytes)


COPY = Kernel("copy", "copy.h", _lower, _work)
