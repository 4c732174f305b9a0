"""FULLY_CONNECTED: matrix times vector, one or many weight scales."""

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
from tflm_ext.ir import DType, NodeView, Tensor
from tflm_ext.ops import tile
from tflm_ext.ops.base import Array, Call, Const, Input, Kernel, Operator, Output, Work
from tflm_ext.ops.common import (
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
    requantization_tables,
    scale,
    zero_point,
)


@dataclass(frozen=True, slots=True)
class FullyConnectedOptions:
    """Options of FULLY_CONNECTED; `shuffled` weights are an old format of optimised kernels."""

    activation: Activation
    shuffled: bool


def parse(table: Table | None) -> FullyConnectedOptions:
    if table is None:
        return FullyConnectedOptions(Activation.NONE, False)
    return FullyConnectedOptions(parse_activation(table.int8(0)), table.int8(1) != 0)


def _bias(view: NodeView) -> Tensor | None:
    return view.input(2) if view.has_input(2) else None


def _per_channel(view: NodeView) -> bool:
    return quantization(view.input(1)).per_channel


def _per_tensor(view: NodeView) -> bool:
    return not _per_channel(view)


def _multipliers(view: NodeView) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Multiplier and shift of every output, or the only ones."""
    inp, weights, out = view.input(0), view.input(1), view.output()
    return conv_multipliers(inp, weights, out, weights.shape[0] if _per_channel(view) else 1)


def check(view: NodeView) -> None:
    options: FullyConnectedOptions = view.options
    check_counts(view, (2, 3))
    inp, weights, out = view.input(0), view.input(1), view.output()
    check_int8(view, inp, out)
    check_rank(view, inp, out)
    view.require(
        len(weights.shape) == 2 and not options.shuffled,
        "its weights are no plain matrix",
        "The file is damaged or was written by an unknown converter.",
        weights,
    )
    units, depth = weights.shape
    view.require(
        inp.elements % depth == 0
        and out.shape[-1:] == (units,)
        and out.elements == inp.elements // depth * units,
        f"{list(inp.shape)} times weights of {list(weights.shape)} do not give {list(out.shape)}",
        "The file is damaged or was written by an unknown converter.",
    )
    bias = _bias(view)
    check_weights(view, weights, bias, 0, units)
    if bias is not None and _per_tensor(view):
        _check_bias_scale(view, bias)
    sums = np.abs(weights.array().astype(np.int64)).sum(1)
    # The zero point is folded into the bias, so that products reach 128 * |weight| beside it.
    values = bias_values(bias, units).astype(np.int64)
    check_accumulator(view, sums, np.abs(values) + sums, _multipliers(view)[1])
    check_activation(view, options.activation, out)


def _check_bias_scale(view: NodeView, bias: Tensor) -> None:
    """TFLM's own condition."""
    bias_scale = scale(bias) if bias.quantization is not None else 0.0
    product = scale(view.input(0)) * scale(view.input(1))
    view.require(
        abs(product - bias_scale) / scale(view.output()) <= 0.02,
        f"its bias has the scale {bias_scale:g}, input and weights have {product:g}",
        "The file is damaged or was written by an unknown converter.",
        bias,
    )


def macs(view: NodeView) -> int:
    return view.output().elements * view.input(1).shape[1]


def reference(view: NodeView, inputs: Sequence[Array | None]) -> tuple[Array, ...]:
    values, weights = inputs[0], inputs[1]
    assert values is not None
    assert weights is not None
    units, depth = weights.shape
    # Integers below 2**53 are exact in float64, and BLAS is many times faster with those.
    centred = values.reshape(-1, depth).astype(np.float64) - zero_point(view.input(0))
    sums = (centred @ weights.T.astype(np.float64)).astype(np.int64)
    multipliers, shifts = _multipliers(view)
    scaled = multiply_by_quantized_multiplier(
        sums + bias_values(_bias(view), units), np.array(multipliers), np.array(shifts)
    )
    out = view.output()
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    clamped = np.clip(scaled + zero_point(out), low, high)
    return (clamped.astype(np.int8).reshape(out.shape),)


def _folded_bias(view: NodeView) -> Array:
    """Bias less what the input's zero point adds to every sum."""
    weights = view.input(1).array().astype(np.int64)
    bias = bias_values(_bias(view), weights.shape[0]).astype(np.int64)
    folded: Array = bias - zero_point(view.input(0)) * weights.sum(1)
    return folded


def _bias_table(view: NodeView) -> Const:
    return Const.of("bias", DType.INT32, _folded_bias(view))


def _fields(view: NodeView) -> tuple[tuple[str, int], ...]:
    units, depth = view.input(1).shape
    out = view.output()
    low, high = activation_range(view.options.activation, scale(out), zero_point(out))
    return (
        ("rows", out.elements // units),
        ("input_size", depth),
        ("output_size", units),
        ("output_zero_point", zero_point(out)),
        ("output_min", low),
        ("output_max", high),
    )


def _weights(view: NodeView) -> Const:
    return Const("weights", DType.INT8, view.input(1).data or b"")


def _lower(view: NodeView) -> Call:
    (multiplier,), (shift,) = _multipliers(view)
    return Call(
        fields=(*_fields(view), ("multiplier", multiplier), ("shift", shift)),
        arguments=(Input(0), _weights(view), _bias_table(view), Output()),
    )


def _lower_per_channel(view: NodeView) -> Call:
    return Call(
        fields=_fields(view),
        arguments=(
            Input(0),
            _weights(view),
            _bias_table(view),
            *requantization_tables(*_multipliers(view)),
            Output(),
        ),
    )


def _each_output(view: NodeView) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Multiplier and shift of every output, also where they are the same."""
    inp, weights, out = view.input(0), view.input(1), view.output()
    return conv_multipliers(inp, weights, out, weights.shape[0])


def _tile_filters(view: NodeView) -> tile.Filters:
    out = view.output()
    limits = activation_range(view.options.activation, scale(out), zero_point(out))
    multipliers, shifts = _each_output(view)
    filters = view.input(1).array()
    return tile.make_filters(
        filters, _folded_bias(view), multipliers, shifts, limits, zero_point(out)
    )


def _tile_applies(view: NodeView) -> bool:
    return _tile_filters(view).has_pairs


def _rows(view: NodeView) -> int:
    out = view.output()
    return out.elements // out.shape[-1]


def _lower_tile(view: NodeView) -> Call:
    return tile.fully_connected(_tile_filters(view), _rows(view))


def _lower_any(view: NodeView) -> Call:
    return tile.fully_connected_any(_tile_filters(view), _rows(view))


def _tile_work(view: NodeView) -> Work:
    return tile.fully_connected_work(view.input(1).shape[1], view.output())


def _work(view: NodeView) -> Work:
    """Calls, rows, outputs, products."""
    out = view.output()
    return 1, out.elements // out.shape[-1], out.elements, macs(view)


OPERATOR = Operator(
    name="FULLY_CONNECTED",
    code=9,
    max_version=12,
    parse=parse,
    check=check,
    macs=macs,
    reference=reference,
    kernels=(
        Kernel(
            "fully_connected_tile",
            "fully_connected_tile.h",
            _lower_tile,
            _tile_work,
            _tile_applies,
        ),
        Kernel("fully_connected_any", "fully_connected_any.h", _lower_any, _tile_work),
        Kernel("fully_connected", "fully_connected.h", _lower, _work, _per_tensor),
        Kernel(
            "fully_connected_per_channel",
            "fully_connected.h",
            _lower_per_channel,
            _work,
            _per_channel,
        ),
    ),
)
