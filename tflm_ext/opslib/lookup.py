"""Code shared by functions of one int8 value, which become tables of 256 results."""

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
"""All int8 values, in the order of a table."""


def saturate(values: Array) -> Array:
    """Convert integers to int8, clamped to -128 to 127."""
    return np.clip(values, INT8_MIN, INT8_MAX).astype(np.int8)


def centred(view: NodeView) -> Array:
    """All int8 values minus the input's zero point."""
    return INPUTS - zero_point(view.input())


def rescaled(view: NodeView, values: Array, ratio: float) -> Array:
    """Multiply by a ratio of scales, add the output's zero point, saturate."""
    scaled = multiply_by_quantized_multiplier(values, *quantize_multiplier(ratio))
    return saturate(scaled + zero_point(view.output()))


def check_unary(view: NodeView) -> None:
    """Require one int8 input, and an int8 output of the same shape."""
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
    """Return the operator of a function of one int8 value.

    Args:
        table: int8 results for INPUTS; must equal TFLM's for every node that `check` accepts.
        check: must call check_unary.
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
