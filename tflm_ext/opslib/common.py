"""Checks and small calculations that several operators share."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np

from tflm_ext.arithmetic import (
    Activation,
    activation_range,
    quantize_multiplier,
    quantize_multipliers,
)
from tflm_ext.flatbuffer import MalformedError
from tflm_ext.ir import DType, NodeView, Quantization, Tensor
from tflm_ext.opslib.base import Array

_CONVERT = "Convert the model with full int8 quantisation (inference type int8)."


class Padding(enum.Enum):
    """How windows meet the border; the value is TensorFlow Lite's number."""

    SAME = 0
    VALID = 1


def parse_activation(number: int) -> Activation:
    """A fused activation from its number in the file."""
    try:
        return Activation(number)
    except ValueError:
        raise MalformedError(f"fused activation number {number}") from None


def parse_padding(number: int) -> Padding:
    """A padding from its number in the file."""
    try:
        return Padding(number)
    except ValueError:
        raise MalformedError(f"padding number {number}") from None


def check_counts(view: NodeView, inputs: Sequence[int], outputs: int = 1) -> None:
    """Require one of these numbers of inputs, and exactly so many outputs.

    As many inputs as the smallest number are there; behind those, one may be absent.
    """
    view.require(
        view.input_count in inputs
        and view.output_count == outputs
        and all(view.has_input(i) for i in range(min(inputs))),
        f"it has {len(view.inputs)} inputs and {view.output_count} outputs",
        "The file is damaged or was written by an unknown converter.",
    )


def check_int8(view: NodeView, *tensors: Tensor) -> None:
    """Require int8 with one scale and a zero point inside int8."""
    for tensor in tensors:
        quantization = check_quantized(view, tensor, DType.INT8)
        view.require(
            not quantization.per_channel and -128 <= quantization.zero_point <= 127,
            "its quantisation is per channel or has a zero point outside int8",
            _CONVERT,
            tensor,
        )


def check_quantized(view: NodeView, tensor: Tensor, dtype: DType) -> Quantization:
    """Require an element type and a quantisation, and return the latter."""
    view.require(
        tensor.dtype is dtype, f"it is {tensor.dtype.value}, not {dtype.value}", _CONVERT, tensor
    )
    if tensor.quantization is None:
        view.reject("it has no quantisation", _CONVERT, tensor)
    return tensor.quantization


def quantization(tensor: Tensor) -> Quantization:
    """The quantisation of a tensor that was checked to have one."""
    if tensor.quantization is None:
        raise TypeError(f"tensor {tensor.index} was not checked")
    return tensor.quantization


def scale(tensor: Tensor) -> float:
    """The scale of a tensor that was checked by check_int8."""
    return quantization(tensor).scale


def zero_point(tensor: Tensor) -> int:
    """The zero point of a tensor that was checked by check_int8."""
    return quantization(tensor).zero_point


def check_constant(view: NodeView, tensor: Tensor, role: str) -> None:
    """Require a tensor to be stored in the model."""
    view.require(
        tensor.constant,
        f"its {role} is computed at run time",
        f"Make the {role} a constant of the model.",
        tensor,
    )


def check_shape(view: NodeView, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Require the shape that the operator computes."""
    view.require(
        tensor.shape == shape,
        f"its shape is {list(tensor.shape)}, the operator gives {list(shape)}",
        "The file is damaged or was written by an unknown converter.",
        tensor,
    )


def check_activation(view: NodeView, activation: Activation, output: Tensor) -> None:
    """Require a fused activation to leave at least one value."""
    # TFLM refuses ends that leave 32 bits.
    view.require(
        activation is Activation.NONE or scale(output) > 6.0 / 2**30,
        f"its activation {activation.name} does not fit the scale {scale(output):.3g}",
        _CONVERT,
        output,
    )
    low, high = activation_range(activation, scale(output), zero_point(output))
    view.require(
        low <= high,
        f"its activation {activation.name} leaves the empty range {low} to {high}",
        _CONVERT,
        output,
    )


def check_weights(
    view: NodeView, weights: Tensor, bias: Tensor | None, axis: int, channels: int
) -> None:
    """Require symmetric constant int8 weights, at most one scale per output channel, int32 bias."""
    check_constant(view, weights, "weights")
    quantized = check_quantized(view, weights, DType.INT8)
    view.require(
        all(z == 0 for z in quantized.zero_points),
        "its weights have a zero point other than 0",
        _CONVERT,
        weights,
    )
    view.require(
        not quantized.per_channel or (quantized.axis == axis and len(quantized.scales) == channels),
        "its weights are quantised along another axis than the output channels",
        _CONVERT,
        weights,
    )
    if bias is not None:
        check_constant(view, bias, "bias")
        view.require(bias.dtype is DType.INT32, "its bias is not int32", _CONVERT, bias)
        check_shape(view, bias, (channels,))


def check_accumulator(view: NodeView, sums: Array, bias: Array, shifts: Sequence[int]) -> None:
    """Require that no input can overflow 32 bits, neither as a sum nor when it is requantised.

    Args:
        sums: per channel, the sum of the absolute weights.
        bias: per channel.
        shifts: of the requantisation, per channel or one for all.
    """
    check_shifts(view, shifts)
    worst = np.abs(bias.astype(np.int64)) + 255 * sums.astype(np.int64)
    largest = int(np.max(np.minimum(worst, 2**31) << np.maximum(shifts, 0)))
    # Room is left for adding a zero point.
    view.require(
        largest < 2**31 - 128,
        f"its scaled sums reach {largest}, more than 32 bits hold",
        "Scale the layer's weights or inputs, or split the layer.",
    )


def check_shifts(view: NodeView, shifts: Sequence[int]) -> None:
    """Require requantisations that TFLM's arithmetic can do."""
    view.require(
        all(-31 <= s <= 30 for s in shifts),
        f"a ratio of scales needs a shift of {max(shifts)}, outside -31 to 30",
        "The scales in the file differ by more than 2**30; calibrate with real data.",
    )


def conv_multipliers(
    inp: Tensor, weights: Tensor, out: Tensor, channels: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Multiplier and shift of every output channel, as TFLM's convolutions work them out."""
    scales = quantization(weights).scales
    if len(scales) == 1:
        scales = scales * channels
    scale_in, scale_out = scale(inp), scale(out)
    return quantize_multipliers(tuple(scale_in * s / scale_out for s in scales))


def single_multiplier(a: Tensor, b: Tensor, out: Tensor) -> float:
    """The ratio of scales of a product of two tensors with one scale each."""
    return scale(a) * scale(b) / scale(out)


def bias_values(bias: Tensor | None, channels: int) -> Array:
    """Bias as int32 values; zeros where there is none."""
    return np.zeros(channels, np.int32) if bias is None else bias.array()


def check_rank(view: NodeView, *tensors: Tensor) -> None:
    """Require at most as many dimensions as TFLM's shapes hold."""
    for tensor in tensors:
        view.require(
            len(tensor.shape) <= 6,
            f"it has {len(tensor.shape)} dimensions",
            "TensorFlow Lite Micro computes with at most 6 dimensions.",
            tensor,
        )


def check_requantization(view: NodeView, largest: int, ratio: float) -> None:
    """Require that a ratio of scales can multiply sums up to some size without overflow.

    Room is left for adding a zero point.
    """
    possible = 0 <= ratio < 2.0**31
    if possible:
        shift = quantize_multiplier(ratio)[1]
        possible = shift <= 30 and (largest << max(shift, 0)) < 2**31 - 128
    view.require(
        largest < 2**31 - 128,
        f"its sums reach {largest}, more than 32 bits hold",
        "Split the layer into several with fewer values to sum up.",
    )
    view.require(
        possible,
        f"a ratio of its scales is {ratio:.3g}, too large for 32 bits",
        "The scales in the file are out of proportion; calibrate with real data.",
    )
