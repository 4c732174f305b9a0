"""SOFTMAX over the last axis.

TFLM computes exp(beta * scale * (x - largest)) in 32-bit fixed point. The difference has at most
256 values, so the exponentials come from a table that the export computes.
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
"""TFLM aborts the program if the exponentials of a row add up to this or more, because the shift of
its last step would be 32. No exponential exceeds 1, so rows of fewer values are always safe."""


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
        f"its output has the scale {scale(out):g} and the zero point {zero_point(out)}",
        "The output of a softmax needs the scale 1/256 and the zero point -128; convert the model "
        "with TensorFlow Lite's own converter, which uses them.",
        out,
    )
    beta: float = view.options.beta
    view.require(
        math.isfinite(beta) and beta * scale(inp) * 2**26 > 1,
        f"its beta, {beta:g}, times the scale of its input, {scale(inp):g}, is not above 2**-26",
        "All logits were almost 0 on the calibration data: a layer before the softmax may be dead, "
        "or the data is not real input. Otherwise the file is damaged.",
    )
    # The sum of 4096 exponentials may overflow 32 bits.
    view.require(
        len(inp.shape) >= 1 and inp.shape[-1] < 1 << _SUM_BITS,
        f"its input has the shape {list(inp.shape)}, but a row must have 1 to 4,095 values",
        "Remove the softmax from the model; the largest logit is also the largest probability.",
    )


def exponentials(view: NodeView) -> Array:
    """exp of 0, -1, -2, ... input steps, times 2**31, until they no longer have an effect."""
    fraction = 31 - _INTEGER_BITS
    real = view.options.beta * scale(view.input(0)) * 2**fraction
    multiplier, shift = quantize_multiplier(min(real, 2**31 - 1.0))
    # TFLM treats exp of anything smaller as 0, because the argument would not fit.
    reach = input_radius(_INTEGER_BITS, shift)
    steps = -np.arange(min(reach, 255) + 1, dtype=np.int64)
    arguments = rounding_doubling_high_mul(steps << shift, multiplier)
    table = exp_on_negative(arguments, _INTEGER_BITS)
    return table[table >= 1 << (_SUM_BITS - 1)]  # smaller values always round to 0


def stops_tflm(view: NodeView, values: Array) -> bool:
    """Whether TFLM's kernel aborts the program on these values, which have the input's shape."""
    return bool((_sums(_row_exponentials(view, values)) >= STOPPING_SUM << (31 - _SUM_BITS)).any())


def _row_exponentials(view: NodeView, values: Array) -> Array:
    """exp(value - largest value of its row) times 2**31, in the input's shape."""
    table = np.zeros(256, np.int64)
    known = exponentials(view)
    table[: len(known)] = known
    rows = values.astype(np.int64)
    return table[rows.max(-1, keepdims=True) - rows]


def _sums(exps: Array) -> Array:
    """Sums of the rows, times 2**19."""
    return rounding_divide_by_pot(exps, _SUM_BITS).sum(-1, keepdims=True)


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    values = inputs[0]
    assert values is not None
    exps = _row_exponentials(view, values)
    inverse, bits = reciprocal(_sums(exps))
    # More than 31 from STOPPING_SUM on: TFLM has no result there, the C has this one.
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
        "an output without the scale 1/256 and the zero point -128; rows of more than 4,095 "
        "values. If the exponentials of a row add up to 512 or more, which takes at least 512 "
        "almost equal values, TensorFlow Lite Micro aborts the program, also on a device; the C "
        "continues, and returns 1/256 for the largest values. Such inputs cannot be compared: "
        "they are left out, and the report says how many there were"
    ),
)
