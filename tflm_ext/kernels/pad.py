"""PAD and PADV2: pad.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output
from tflm_ext.kernels.rearrange import box_fields, box_work, empty
from tflm_ext.opslib.padding import border_value, interior


class PadWork(NamedTuple):
    """Work of one call: bytes filled, then as in RearrangeWork."""

    filled_bytes: int
    calls: int
    rounds: int
    rows: int
    single_bytes: int
    runs: int
    run_bytes: int


def _lower(view: NodeView) -> KernelCall:
    source, target = empty(view.input()), empty(view.output())
    box = box_fields(source, source, target, interior(view, target))
    return KernelCall(
        fields=(
            ("bytes", view.output().bytes),
            ("value", border_value(view)),
            *((f"interior.{name}", value) for name, value in box),
        ),
        arguments=(Input(0), Output()),
    )


def _work(view: NodeView) -> PadWork:
    source, target = empty(view.input()), empty(view.output())
    box = box_fields(source, source, target, interior(view, target))
    return PadWork(view.output().bytes, *box_work(box))


PAD = Kernel("pad", "pad.h", _lower, _work)
