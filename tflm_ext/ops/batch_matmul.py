"""BATCH_MATMUL: matrix products, with transposed operands and broadcast batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import (
    check_counts,
    check_int8,
    check_requantization,
    check_shape,
    single_multiplier,
    zero_point,
)

BATCH_AXES = 3


@dataclass(frozen=True, slots=True)
class BatchMatMulOptions:
    """Options of BATCH_MATMUL: which operands are stored transposed."""

    adj_x: bool
    adj_y: bool


@dataclass(frozen=True, slots=True)
class _Matrices:
    """One operand: a batch of matrices, rows x columns as they are multiplied.

    Attributes:
        batch: sizes of the batch axes.
        row_stride: elements from one row to the next.
    """

    batch: tuple[int, ...]
    rows: int
    columns: int
    row_stride: int
    column_stride: int

    def batch_strides(self) -> tuple[int, ...]:
        """Elements from one matrix to the next along BATCH_AXES axes; 0 where broadcast."""
        batch = (1,) * (BATCH_AXES - len(self.batch)) + self.batch
        size = self.rows * self.columns
        return tuple(size * math.prod(batch[i + 1 :]) if d > 1 else 0 for i, d in enumerate(batch))


def _matrices(shape: tuple[int, ...], transposed: bool) -> _Matrices:
    *batch, rows, columns = shape
    if transposed:
        return _Matrices(tuple(batch), columns, rows, 1, columns)
    return _Matrices(tuple(batch), rows, columns, columns, 1)


def operands(view: NodeView) -> tuple[_Matrices, _Matrices]:
    options: BatchMatMulOptions = view.options
    return (
        _matrices(view.input(0).shape, options.adj_x),
        _matrices(view.input(1).shape, options.adj_y),
    )


def multiplier_of(view: NodeView) -> tuple[int, int]:
    return quantize_multiplier(single_multiplier(view.input(0), view.input(1), view.output()))


def parse(table: Table | None) -> BatchMatMulOptions:
    if table is None:
        return BatchMatMulOptions(False, False)
    return BatchMatMulOptions(table.bool(0), table.bool(1))


def check(view: NodeView) -> None:
    check_counts(view, (2,))
    a, b, out = view.input(0), view.input(1), view.output()
    check_int8(view, a, b, out)
    view.require(
        all(2 <= len(t.shape) <= 2 + BATCH_AXES for t in (a, b)),
        f"its operands have the shapes {list(a.shape)} and {list(b.shape)}",
        "TensorFlow Lite Micro multiplies tensors with 2 to 5 dimensions; reshape them.",
    )
    left, right = operands(view)
    view.require(
        left.columns == right.rows and _broadcast(left.batch, right.batch) is not None,
        f"operands with the shapes {list(a.shape)} and {list(b.shape)} cannot be multiplied",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )
    batch = _broadcast(left.batch, right.batch) or ()
    check_shape(view, out, (*batch, left.rows, right.columns))
    check_requantization(view, left.columns * 255 * 255, single_multiplier(a, b, out))


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that two batches are broadcast to; None if they are incompatible."""
    rank = max(len(a), len(b))
    pairs = list(zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True))
    if any(x != y and 1 not in (x, y) for x, y in pairs):
        return None
    return tuple(max(pair) for pair in pairs)


def macs(view: NodeView) -> int:
    return view.output().elements * operands(view)[0].columns


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    options: BatchMatMulOptions = view.options
    operands = []
    for i, transposed in enumerate((options.adj_x, options.adj_y)):
        values = inputs[i]
        assert values is not None
        # Integers below 2**53 are exact in float64, for which BLAS is many times faster.
        centred = values.astype(np.float64) - zero_point(view.input(i))
        operands.append(centred.swapaxes(-1, -2) if transposed else centred)
    sums = (operands[0] @ operands[1]).astype(np.int64)
    scaled = multiply_by_quantized_multiplier(sums, *multiplier_of(view))
    return (np.clip(scaled + zero_point(view.output()), -128, 127).astype(np.int8),)


OPERATOR = Operator(
    name="BATCH_MATMUL",
    code=126,
    max_version=4,
    options_type=101,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    refuses="operands with fewer than 2 or more than 5 dimensions",
)
