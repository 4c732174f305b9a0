"""UNPACK: the slices of a tensor along an axis, without that axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import DAMAGED, check_axis
from tflm_ext.opslib.base import Array, Operator, first_input
from tflm_ext.opslib.common import check_counts, check_moved, check_shape


@dataclass(frozen=True, slots=True)
class UnpackOptions:
    """Options of UNPACK."""

    count: int
    axis: int


def parse(table: Table | None) -> UnpackOptions:
    return UnpackOptions(0, 0) if table is None else UnpackOptions(table.int32(0), table.int32(1))


def axis_of(view: NodeView) -> int:
    options: UnpackOptions = view.options
    return options.axis % len(view.input().shape)


def check(view: NodeView) -> None:
    options: UnpackOptions = view.options
    check_counts(view, (1,), view.output_count)
    source = view.input()
    check_moved(view, source, *view.outputs)
    check_axis(view, options.axis, len(source.shape))
    axis = axis_of(view)
    view.require(
        options.count == view.output_count == source.shape[axis],
        f"it unpacks {options.count} slices of an axis of size {source.shape[axis]} into "
        f"{view.output_count} tensors",
        DAMAGED,
    )
    for tensor in view.outputs:
        check_shape(view, tensor, (*source.shape[:axis], *source.shape[axis + 1 :]))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    source = inputs[0]
    assert source is not None
    return tuple(np.moveaxis(source, axis_of(view), 0))


OPERATOR = Operator(
    name="UNPACK",
    code=88,
    max_version=4,
    options_type=64,
    parse=parse,
    check=check,
    reference=reference,
    moves=first_input,
)
