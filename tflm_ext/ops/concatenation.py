"""CONCATENATION along any axis.

TFLM requires that all inputs have the output's quantisation. The converter inserts a QUANTIZE for
those that differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import Activation
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.axes import check_axis, check_dimensions
from tflm_ext.opslib.base import Array, Operator, every_input
from tflm_ext.opslib.common import check_counts, check_moved, check_shape, parse_activation

_MAX_INPUTS = 10


@dataclass(frozen=True, slots=True)
class ConcatenationOptions:
    """Options of CONCATENATION."""

    axis: int
    activation: Activation


def parse(table: Table | None) -> ConcatenationOptions:
    if table is None:
        return ConcatenationOptions(0, Activation.NONE)
    return ConcatenationOptions(table.int32(0), parse_activation(table.int8(1)))


def axis_of(view: NodeView) -> int:
    options: ConcatenationOptions = view.options
    return options.axis % len(view.output().shape)


def check(view: NodeView) -> None:
    options: ConcatenationOptions = view.options
    view.require(
        1 <= view.input_count <= _MAX_INPUTS,
        f"it joins {view.input_count} tensors; TensorFlow Lite Micro allows 1 to {_MAX_INPUTS}",
        "Concatenate in two steps.",
    )
    check_counts(view, (len(view.inputs),))
    out = view.output()
    check_moved(view, *view.inputs, out)
    check_dimensions(view, out, range(1, 7))
    rank = len(out.shape)
    check_axis(view, options.axis, rank)
    view.require(
        options.activation is Activation.NONE,
        f"it has the fused activation {options.activation.name}, which TensorFlow Lite Micro does "
        "not support here",
        "Use a separate layer for the activation.",
    )
    axis = axis_of(view)
    along = 0
    for tensor in view.inputs:
        view.require(
            tensor.quantization == out.quantization,
            "its quantisation differs from the output's",
            "TensorFlow Lite Micro does not requantise here; convert the model again with "
            "TensorFlow 2.21, which inserts a QUANTIZE before the operator.",
            tensor,
        )
        check_dimensions(view, tensor, range(rank, rank + 1))
        check_shape(view, tensor, (*out.shape[:axis], tensor.shape[axis], *out.shape[axis + 1 :]))
        along += tensor.shape[axis]
    check_shape(view, out, (*out.shape[:axis], along, *out.shape[axis + 1 :]))


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    return (np.concatenate([i for i in inputs if i is not None], axis=axis_of(view)),)


OPERATOR = Operator(
    name="CONCATENATION",
    code=2,
    max_version=4,
    options_type=10,
    parse=parse,
    check=check,
    reference=reference,
    moves=every_input,
    refuses=(
        "inputs whose quantisation differs from the output's (the converter inserts a "
        "QUANTIZE, which is supported)"
    ),
)
