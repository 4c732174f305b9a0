"""What all functions of one int8 number share: they become tables of 256 results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tflm_ext.arithmetic import (
    INT8_MAX,
    INT8_MIN,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import DType, NodeView
from tflm_ext.ops.base import (
    Array,
    Call,
    Const,
    Input,
    Kernel,
    Operator,
    Output,
    no_options,
    one_by_one,
    work_by_elements,
)
from tflm_ext.ops.common import (
    check_counts,
    check_int8,
    check_rank,
    check_shape,
    zero_point,
)

INPUTS = np.arange(INT8_MIN, INT8_MAX + 1)
"""Every int8 number, in the order of a table."""


def saturate(values: Array) -> Array:
    """Integers to int8, those outside at its ends."""
    return np.clip(values, INT8_MIN, INT8_MAX).astype(np.int8)


def centred(view: NodeView) -> Array:
    """Every input minus the zero point."""
    return INPUTS - zero_point(view.input())


def rescaled(view: NodeView, values: Array, ratio: float) -> Array:
    """Multiply by a ratio of scales, add the output's zero point, saturate."""
    scaled = multiply_by_quantized_multiplier(values, *quantize_multiplier(ratio))
    return saturate(scaled + zero_point(view.output()))


def check_unary(view: NodeView) -> None:
    """Require one int8 input and an int8 output of its shape."""
    check_counts(view, (1,))
    check_int8(view, view.input(), view.output())
    check_rank(view, view.input())
    check_shape(view, view.output(), view.input().shape)


def operator(
    name: str,
    code: int,
    max_version: int,
    table: Callable[[NodeView], Array],
    *,
    check: Callable[[NodeView], None],
    parse: Callable[[Table | None], Any] = no_options,
) -> Operator:
    """The operator of a function.

    Args:
        table: int8 results for INPUTS; relied on to follow TFLM for every node that check accepts.
        check: includes check_unary.
    """

    def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        (values,) = inputs
        assert values is not None
        return (table(view)[values.astype(np.int32) - INT8_MIN],)

    def lower_lookup(view: NodeView) -> Call:
        return Call(
            fields=(("elements", view.output().elements),),
            arguments=(Input(), Const.of("results", DType.INT8, table(view)), Output()),
            times=(one_by_one(view.output().elements),),
        )

    def lower_limit(view: NodeView) -> Call:
        results = table(view)
        return Call(
            fields=(
                ("elements", view.output().elements),
                ("output_min", int(results[0])),
                ("output_max", int(results[-1])),
            ),
            arguments=(Input(), Output()),
            times=(one_by_one(view.output().elements),),
        )

    def only_limits(view: NodeView) -> bool:
        results = table(view)
        return bool(np.array_equal(results, np.clip(INPUTS, results[0], results[-1])))

    return Operator(
        name=name,
        code=code,
        max_version=max_version,
        parse=parse,
        check=check,
        reference=reference,
        kernels=(
            # Hardly slower, and without the 256 bytes of the table.
            Kernel("limit", "limit.h", lower_limit, work_by_elements, only_limits),
            Kernel(
                "lookup",
                "lookup.h",
                lower_lookup,
                work_by_elements,
                lambda view: not only_limits(view),
            ),
        ),
    )
