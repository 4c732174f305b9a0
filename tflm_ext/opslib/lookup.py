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
from tflm_ext.ir import NodeView
from tflm_ext.opslib.base import (
    Array,
    Operator,
    no_options,
)
from tflm_ext.opslib.common import (
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
    options_type: int | None = None,
    refuses: str = "",
) -> Operator:
    """The operator of a function.

    Args:
        table: int8 results for INPUTS; relied on to follow TFLM for every node that check accepts.
        check: includes check_unary.
        parse, options_type, refuses: as in Operator.
    """

    def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
        (values,) = inputs
        assert values is not None
        return (table(view)[values.astype(np.int32) - INT8_MIN],)

    return Operator(
        name=name,
        code=code,
        max_version=max_version,
        parse=parse,
        options_type=options_type,
        refuses=refuses,
        check=check,
        reference=reference,
    )
