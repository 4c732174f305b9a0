"""SOFTMAX over the last axis.

TFLM computes exp(beta * scale * (x - largest)) in 32-bit fixed point. A row holds at most 256
differences, so that the exponentials come from a table that the export computes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import (
    exp_on_negative,
    input_radius,
    quantize_multiplier,
    reciprocal,
    rounding_divide_by_pot,
    rounding_doubling_high_mul,
)
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView
from tflm_ext.opslib.base import (
    Array,
    Operator,
)
from tflm_ext.opslib.common import (
    check_counts,
    check_int8,
    check_rank,
    check_shape,
    scale,
    zero_point,
)

_INTEGER_BITS = 5  # of the fixed-point argument of exp
_SUM_BITS = 12  # integer bits of the sum of exponentials

STOPPING_SUM = 512
"""TFLM stops the program where the exponentials of a row add up to this or more: the shift of its
last step would be 32. The largest value of a row contributes 1, so that fewer values never do."""


@dataclass(frozen=True, slots=True)
class SoftmaxOptions:
    """Options of SOFTMAX."""

    beta: float


def parse(table: Table | None) -> SoftmaxOptions:
    return SoftmaxOptions(0.0 if table is None else table.float32(0))


def check(view: NodeView) -> None:
    check_counts(view, (1,))
    inp, out = view.input(0), view.output()
    check_int8(view, inp, out)
    check_rank(view, inp)
    check_shape(view, out, inp.shape)
    view.require(
        zero_point(out) == -128 and scale(out) == 1 / 256,
        f"its output has scale {scale(out):g} and zero point {zero_point(out)}",
        "The output of a softmax needs scale 1/256 and zero point -128.",
        out,
    )
    beta: float = view.options.beta
    view.require(
        math.isfinite(beta) and beta * scale(inp) * 2**26 > 1,
        f"beta {beta:g} times the input's scale {scale(inp):g} is not above 2**-26",
        "All logits were next to 0 on the calibration data: a layer before the softmax may be dead,"
        " or the data is not real input. Otherwise the file is damaged.",
    )
    # The sum of 4096 exponentials may leave 32 bits.
    view.require(
        len(inp.shape) >= 1 and inp.shape[-1] < 1 << _SUM_BITS,
        f"it has no axis or more than 4095 values in one: {list(inp.shape)}",
        "Compute the softmax of so many values outside the model.",
    )


def exponentials(view: NodeView) -> Array:
    """exp of 0, -1, -2, ... input steps, times 2**31, as far as they have an effect."""
    fraction = 31 - _INTEGER_BITS
    real = view.options.beta * scale(view.input(0)) * 2**fraction
    multiplier, shift = quantize_multiplier(min(real, 2**31 - 1.0))
    # TFLM takes exp of anything smaller as 0, for the argument would not fit.
    reach = input_radius(_INTEGER_BITS, shift)
    steps = -np.arange(min(reach, 255) + 1, dtype=np.int64)
    arguments = rounding_doubling_high_mul(steps << shift, multiplier)
    table = exp_on_negative(arguments, _INTEGER_BITS)
    return table[table >= 1 << (_SUM_BITS - 1)]  # what is smaller rounds to 0 everywhere


def stops_tflm(view: NodeView, values: Array) -> bool:
    """Whether TFLM's kernel stops the program on values of the input's shape."""
    return bool((_sums(_row_exponentials(view, values)) >= STOPPING_SUM << (31 - _SUM_BITS)).any())


def _row_exponentials(view: NodeView, values: Array) -> Array:
    """exp of every value below the largest of its row, times 2**31, in the input's shape."""
    table = np.zeros(256, np.int64)
    known = exponentials(view)
    table[: len(known)] = known
    rows = values.astype(np.int64)
    return table[rows.max(-1, keepdims=True) - rows]


def _sums(exps: Array) -> Array:
    """Of each row, times 2**19."""
    return rounding_divide_by_pot(exps, _SUM_BITS).sum(-1, keepdims=True)


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    values = inputs[0]
    assert values is not None
    exps = _row_exponentials(view, values)
    inverse, bits = reciprocal(_sums(exps))
    # It is more than 31 from STOPPING_SUM on, where TFLM has no result and the C has this one.
    exponent = np.minimum(bits + _SUM_BITS - 31 + 31 - 8, 31)
    scaled = rounding_divide_by_pot(rounding_doubling_high_mul(inverse, exps), exponent)
    return (np.minimum(scaled - 128, 127).astype(np.int8),)


OPERATOR = Operator(
    name="SOFTMAX",
    code=25,
    max_version=2,
    options_type=9,
    parse=parse,
    check=check,
    reference=reference,
    refuses=(
        "an output of other than scale 1/256 and zero point -128; rows of more than 4095 "
        "values. Where the exponentials of a row add up to 512 or more, which takes 512 "
        "values that are almost equal, TensorFlow Lite Micro stops the program, on a "
        "device, too; the C goes on and gives the largest values 1/256. Such inputs "
        "cannot be compared: they are left out, and the report says how many"
    ),
)
