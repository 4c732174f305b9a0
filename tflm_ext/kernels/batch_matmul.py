"""BATCH_MATMUL: batch_matmul.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.ir import NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output
from tflm_ext.ops.batch_matmul import BATCH_AXES, macs, multiplier_of, operands
from tflm_ext.opslib.common import zero_point


class MatrixWork(NamedTuple):
    """Work of one call: matrices of the output, their rows, their values, products."""

    calls: int
    matrices: int
    rows: int
    outputs: int
    products: int


def _lower(view: NodeView) -> KernelCall:
    left, right = operands(view)
    batch = view.output().shape[:-2]
    multiplier, shift = multiplier_of(view)
    return KernelCall(
        fields=(
            ("batches", (1,) * (BATCH_AXES - len(batch)) + batch),
            ("left_batch_strides", left.batch_strides()),
            ("right_batch_strides", right.batch_strides()),
            ("rows", left.rows),
            ("columns", right.columns),
            ("depth", left.columns),
            ("left_row_stride", left.row_stride),
            ("left_depth_stride", left.column_stride),
            ("right_column_stride", right.column_stride),
            ("right_depth_stride", right.row_stride),
            ("left_zero_point", zero_point(view.input(0))),
            ("right_zero_point", zero_point(view.input(1))),
            ("output_zero_point", zero_point(view.output())),
            ("multiplier", multiplier),
            ("shift", shift),
        ),
        arguments=(Input(0), Input(1), Output()),
    )


def _work(view: NodeView) -> MatrixWork:
    out = view.output()
    rows, columns = out.shape[-2:]
    matrices = out.elements // (rows * columns)
    return MatrixWork(1, matrices, matrices * rows, out.elements, macs(view))


BATCH_MATMUL = Kernel("batch_matmul", "batch_matmul.h", _lower, _work)
