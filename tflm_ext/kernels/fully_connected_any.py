"""FULLY_CONNECTED in portable C for any weights and shifts: fully_connected_any.h."""

from __future__ import annotations

from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Input, Kernel, KernelCall, Output, Scratch
from tflm_ext.kernels.fully_connected_tile import filters_of, rows_of, work_of
from tflm_ext.kernels.packing import QUAD, Filters, plain_stream


def lower(filters: Filters, rows: int) -> KernelCall:
    """The call of the kernel: filters on each of some rows of input 0."""
    units, depth = filters.values.shape
    octets = -(-depth // (2 * QUAD))
    return KernelCall(
        fields=(
            ("rows", rows),
            ("input_size", depth),
            ("output_size", units),
            ("octets", octets),
            ("output_zero_point", filters.zero_point),
        ),
        arguments=(
            Input(0),
            plain_stream(filters, 4, 2 * QUAD, filled=False),
            Scratch("column", 4 * QUAD * octets, DType.INT32),
            Output(),
        ),
        limits=filters.limits,
    )


def _lower(view: NodeView) -> KernelCall:
    return lower(filters_of(view), rows_of(view))


FULLY_CONNECTED = Kernel("fully_connected_any", "fully_connected_any.h", _lower, work_of)
