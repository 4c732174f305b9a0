"""FULLY_CONNECTED, one value after the other: fully_connected.h."""

from __future__ import annotations

from typing import NamedTuple

from tflm_ext.arithmetic import activation_range
from tflm_ext.ir import DType, NodeView
from tflm_ext.kernels.base import Const, Input, Kernel, KernelCall, Output, requantization_tables
from tflm_ext.kernels.packing import folded_bias
from tflm_ext.ops.fully_connected import bias_of, macs, multipliers_of, per_channel, per_tensor
from tflm_ext.opslib.common import scale, zero_point


class DenseWork(NamedTuple):
    """Work of one call."""

    calls: int
    rows: int
    outputs: int
    products: int


def _bias_table(view: NodeView) -> Const:
    folded = folded_bias(view.input(1).array(), view.input(0), bias_of(view))
    return Const.of(
        "bias", DType.INT32, folded, f"[output {len(folded)}], the input's zero point folded in"
    )


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
    units, depth = view.input(1).shape
    layout = f"[output {units}][input {depth}]"
    return Const("weights", DType.INT8, view.input(1).data or b"", layout)


def _lower(view: NodeView) -> KernelCall:
    (multiplier,), (shift,) = multipliers_of(view)
    return KernelCall(
        fields=(*_fields(view), ("multiplier", multiplier), ("shift", shift)),
        arguments=(Input(0), _weights(view), _bias_table(view), Output()),
    )


def _lower_per_channel(view: NodeView) -> KernelCall:
    return KernelCall(
        fields=_fields(view),
        arguments=(
            Input(0),
            _weights(view),
            _bias_table(view),
            *requantization_tables(*multipliers_of(view)),
            Output(),
        ),
    )


def _work(view: NodeView) -> DenseWork:
    out = view.output()
    return DenseWork(1, out.elements // out.shape[-1], out.elements, macs(view))


PER_TENSOR = Kernel("fully_connected", "fully_connected.h", _lower, _work, per_tensor)
PER_CHANNEL = Kernel(
    "fully_connected_per_channel", "fully_connected.h", _lower_per_channel, _work, per_channel
)
