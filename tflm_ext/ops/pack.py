"""PACK: tensors of one shape stacked along a new axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import DAMAGED, check_axis
from tflm_ext.opslib.base import Array, Operator, every_input
from tflm_ext.opslib.common import check_counts, check_moved, check_shape


@dataclass(frozen=True, slots=True)
class PackOptions:
    """Options of PACK."""

    count: int
    axis: int


def parse(table: Table | None) -> PackOptions:
    return PackOptions(0, 0) if table is None else PackOptions(table.int32(0), table.int32(1))


def axis_of(view: NodeView) -> int:
    options: PackOptions = view.options
    return options.axis % len(view.output().shape)


def check(view: NodeView) -> None:
    options: PackOptions = view.options
    view.require(
        view.input_count >= 1 and options.count == len(view.inputs),
        f"its options say {options.count} tensors, but it has {len(view.inputs)}",
        DAMAGED,
    )
    check_counts(view, (options.count,))
    source, out = view.input(), view.output()
    check_moved(view, *view.inputs, out)
    check_axis(view, options.axis, len(source.shape) + 1)
    axis = options.axis % (len(source.shape) + 1)
    for tensor in view.inputs:
        check_shape(view, tensor, source.shape)
    check_shape(view, out, (*source.shape[:axis], options.count, *source.shape[axis:]))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    return (np.stack([i for i in inputs if i is not None], axis=axis_of(view)),)


OPERATOR = Operator(
    name="PACK",
    code=83,
    max_version=4,
    options_type=59,
    parse=parse,
    check=check,
    reference=reference,
    moves=every_input,
)
