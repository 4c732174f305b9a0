"""MIRROR_PAD: mirror_pad.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output
from tflm_ext.opslib.axes import integers


class MirrorPadWork(NamedTuple):
    """How often each piece of the C runs in one call; read its loops, outermost first."""

    calls: int
    rows: int
    elements: int


def _lower(view: NodeView) -> KernelCall:
    missing = 4 - len(view.input().shape)
    before = integers(view.input(1))[::2]
    # The fields of the C struct, in its order.
    return KernelCall(
        fields=(
            ("in", (1,) * missing + view.input().shape),
            ("out", (1,) * missing + view.output().shape),
            ("before", (0,) * missing + before),
            ("edge", view.options.mode.value),
        ),
        arguments=(Input(0), Output()),
    )


def _work(view: NodeView) -> MirrorPadWork:
    elements = view.output().elements
    return MirrorPadWork(1, elements // view.output().shape[-1], elements)


MIRROR_PAD = Kernel("mirror_pad", "mirror_pad.h", _lower, _work)
