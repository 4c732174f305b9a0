"""EXPAND_DIMS: the same bytes with an additional axis of size 1."""

from __future__ import annotations

from tflm_ext.ir import DType, NodeView
from tflm_ext.opslib.base import Operator
from tflm_ext.opslib.common import check_constant, check_counts, check_rank, check_shape
from tflm_ext.opslib.copying import check_copy, reference


def check(view: NodeView) -> None:
    check_counts(view, (2,))
    check_copy(view)
    check_rank(view, view.output())
    shape, axis = view.input(0).shape, view.input(1)
    check_constant(view, axis, "axis")
    number = axis.array().reshape(-1)[0].item() if axis.dtype is DType.INT32 else len(shape) + 1
    view.require(
        axis.elements == 1 and -len(shape) - 1 <= number <= len(shape),
        f"its axis is not an int32 from {-len(shape) - 1} to {len(shape)}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
        axis,
    )
    at = number if number >= 0 else number + len(shape) + 1
    check_shape(view, view.output(), (*shape[:at], 1, *shape[at:]))
    view.require(
        view.input(0).dtype in {DType.INT8, DType.INT16, DType.FLOAT32},
        f"its element type is {view.input(0).dtype.value}",
        "TensorFlow Lite Micro supports int8, int16 and float32 here.",
    )


OPERATOR = Operator(
    name="EXPAND_DIMS",
    code=70,
    max_version=1,
    check=check,
    reference=reference,
    refuses="an axis that is not constant",
)
