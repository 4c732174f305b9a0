"""SQUEEZE: the same bytes without some axes of size 1."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.base import Operator, first_input
from tflm_ext.opslib.common import check_counts, check_shape
from tflm_ext.opslib.copying import check_copy, reference


@dataclass(frozen=True, slots=True)
class SqueezeOptions:
    """Options of SQUEEZE; without axes, all axes of size 1 are removed."""

    axes: tuple[int, ...]


def parse(table: Table | None) -> SqueezeOptions:
    return SqueezeOptions((table.int32s(0) if table is not None else None) or ())


def check(view: NodeView) -> None:
    check_counts(view, (1,))
    check_copy(view)
    shape = view.input(0).shape
    axes: tuple[int, ...] = view.options.axes
    view.require(
        all(-len(shape) <= a < len(shape) and shape[a] == 1 for a in axes),
        f"not all of its axes {list(axes)[:8]} have the size 1 in the shape {list(shape)}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )
    gone = {a % len(shape) for a in axes} or {i for i, d in enumerate(shape) if d == 1}
    check_shape(view, view.output(), tuple(d for i, d in enumerate(shape) if i not in gone))


OPERATOR = Operator(
    name="SQUEEZE",
    code=43,
    max_version=2,
    options_type=30,
    parse=parse,
    check=check,
    reference=reference,
    moves=first_input,
)
