"""FULLY_CONNECTED: matrix times vector, with one weight scale or one per output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.arithmetic import (
    Activation,
    activation_range,
    multiply_by_quantized_multiplier,
)
from tflm_ext.flatbuffer import Table
from tflm_ext.ir import NodeView, Tensor
from tflm_ext.opslib.base import Array, Operator
from tflm_ext.opslib.common import (
    bias_values,
    check_accumulator,
    check_activation,
    check_counts,
    check_int8,
    check_rank,
    check_weights,
    conv_multipliers,
    parse_activation,
    quantization,
    scale,
    zero_point,
)


@dataclass(frozen=True, slots=True)
class FullyConnectedOptions:
    """Options of FULLY_CONNECTED; `shuffled` marks an old weight format of optimised kernels."""

    activation: Activation
    shuffled: bool


def parse(table: Table | None) -> FullyConnectedOptions:
    if table is None:
        return FullyConnectedOptions(Activation.NONE, False)
    return FullyConnectedOptions(parse_activation(table.int8(0)), table.int8(1) != 0)


def bias_of(view: NodeView) -> Tensor | None:
    return view.input(2) if view.has_input(2) else None


def per_channel(view: NodeView) -> bool:
    return quantization(view.input(1)).per_channel


def per_tensor(view: NodeView) -> bool:
    return not per_channel(view)


def multipliers_of(view: NodeView) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Multipliers and shifts: one of each per output, or one for all outputs."""
    inp, weights, out = view.input(0), view.input(1), view.output()
    return conv_multipliers(inp, weights, out, weights.shape[0] if per_channel(view) else 1)


def check(view: NodeView) -> None:
    options: FullyConnectedOptions = view.options
    check_counts(view, (2, 3))
    inp, weights, out = view.input(0), view.input(1), view.output()
    check_int8(view, inp, out)
    check_rank(view, inp, out)
    view.require(
        len(weights.shape) == 2 and not options.shuffled,
        "the weights are not a plain matrix",
        "The file is damaged or was written by an unknown converter; convert the model again.",
        weights,
    )
    units, depth = weights.shape
    view.require(
        inp.elements % depth == 0
        and out.shape[-1:] == (units,)
        and out.elements == inp.elements // depth * units,
        f"an input with the shape {list(inp.shape)} and weights with the shape "
        f"{list(weights.shape)} do not give an output with the shape {list(out.shape)}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )
    bias = bias_of(view)
    check_weights(view, weights, bias, 0, units)
    if bias is not None and per_tensor(view):
        _check_bias_scale(view, bias)
    sums = np.abs(weights.array().astype(np.int64)).sum(1)
    # The zero point is folded into the bias; without it, products reach 128 * |weight|.
    values = bias_values(bias, units).astype(np.int64)
    check_accumulator(view, sums, np.abs(values) + sums, multipliers_of(view)[1])
    check_activation(view, options.activation, out)


def _check_bias_scale(view: NodeView, bias: Tensor) -> None:
    """Require what TFLM requires of the bias' scale."""
    # TFLM takes the first scale of many.
    bias_scale = bias.quantization.scales[0] if bias.quantization is not None else 0.0
    product = scale(view.input(0)) * scale(view.input(1))
    view.require(
        abs(product - bias_scale) / scale(view.output()) <= 0.02,
        f"the bias has the scale {bias_scale:g}, but the scales of input and weights multiply to "
        f"{product:g}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
        bias,
    )


def macs(view: NodeView) -> int:
    return view.output().elements * view.input(1).shape[1]


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    values, weights = inputs[0], inputs[1]
    assert values is not None
    assert weights is not None
    units, depth = weights.shape
    # Integers below 2**53 are exact in float64, for which BLAS is many times faster.
    centred = values.reshape(-1, depth).astype(np.float64) - zero_point(view.input(0))
    sums = (centred @ weights.T.astype(np.float64)).astype(np.int64)
    multipliers, shifts = multipliers_of(view)
    scaled = multiply_by_quantized_multiplier(
        sums + bias_values(bias_of(view), units), np.array(multipliers), np.array(shifts)
    )
    out = view.output()
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    clamped = np.clip(scaled + zero_point(out), low, high)
    return (clamped.astype(np.int8).reshape(out.shape),)


OPERATOR = Operator(
    name="FULLY_CONNECTED",
    code=9,
    max_version=12,
    options_type=8,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    refuses=(
        "weights or biases that are not constant; weights with a zero point; shuffled "
        "weights; sums that do not fit into 32 bits"
    ),
)
