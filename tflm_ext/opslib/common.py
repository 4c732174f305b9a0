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

_INTEGERS = (
    "An integer input can be reshaped, sliced, split and joined, and give the positions of GATHER "
    "(Embedding); compute everything else before the model."
)


class Padding(enum.Enum):
    """Padding of the image under a sliding window; the values are TensorFlow Lite's numbers."""

    SAME = 0
    VALID = 1


def parse_activation(number: int) -> Activation:
    """Return the fused activation with this number in the file."""
    try:
        return Activation(number)
    except ValueError:
        raise MalformedError(f"unknown fused activation, number {number}") from None


def parse_padding(number: int) -> Padding:
    """Return the padding with this number in the file."""
    try:
        return Padding(number)
    except ValueError:
        raise MalformedError(f"unknown padding, number {number}") from None


def check_counts(view: NodeView, inputs: Sequence[int], outputs: int = 1) -> None:
    """Require one of these numbers of inputs, and exactly this number of outputs.

    Inputs up to the smallest of the numbers must be present; later ones are optional.
    """
    view.require(
        view.input_count in inputs
        and view.output_count == outputs
        and all(view.has_input(i) for i in range(min(inputs))),
        f"it has {len(view.inputs)} inputs and {view.output_count} outputs, not "
        f"{' or '.join(map(str, inputs))} and {outputs}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
    )


def check_int8(view: NodeView, *tensors: Tensor) -> None:
    """Require int8 tensors with one scale and a zero point from -128 to 127."""
    for tensor in tensors:
        quantization = check_quantized(view, tensor, DType.INT8)
        view.require(
            not quantization.per_channel and -128 <= quantization.zero_point <= 127,
            "its quantisation is per channel, or its zero point is outside -128 to 127",
            _CONVERT,
            tensor,
        )


def check_moved(view: NodeView, *tensors: Tensor) -> None:
    """Require int8 as check_int8, or int32 everywhere."""
    if any(tensor.dtype is not DType.INT32 for tensor in tensors):
        check_int8(view, *tensors)


def check_quantized(
    view: NodeView, tensor: Tensor, dtype: DType, *, zero_scale: bool = False
) -> Quantization:
    """Require an element type and a quantisation, and return the quantisation.

    Args:
        zero_scale: the operator is exact for scales of 0, which constants have where they are 0.
    """
    view.require(
        tensor.dtype is dtype,
        f"it is {tensor.dtype.value}, not {dtype.value}",
        _INTEGERS if tensor.dtype is DType.INT32 else _CONVERT,
        tensor,
    )
    if tensor.quantization is None:
        view.reject("it has no quantisation", _CONVERT, tensor)
    if not zero_scale:
        view.require(0 not in tensor.quantization.scales, "its scale is 0", _CONVERT, tensor)
    return tensor.quantization


def quantization(tensor: Tensor) -> Quantization:
    """Return the quantisation of a tensor that check_quantized or check_int8 accepted."""
    if tensor.quantization is None:
        raise TypeError(f"tensor {tensor.index} {tensor.name[:80]!r} was not checked")
    return tensor.quantization


def scale(tensor: Tensor) -> float:
    """Return the scale of a tensor that check_int8 accepted."""
    return quantization(tensor).scale


def zero_point(tensor: Tensor) -> int:
    """Return the zero point of a tensor that check_int8 accepted."""
    return quantization(tensor).zero_point


def check_constant(view: NodeView, tensor: Tensor, role: str) -> None:
    """Require a tensor to be stored in the model."""
    view.require(
        tensor.constant,
        f"the {role} must be constant, not computed at run time",
        f"Make the {role} a constant in the model.",
        tensor,
    )


def check_shape(view: NodeView, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Require the shape that the operator computes."""
    view.require(
        tensor.shape == shape,
        f"its shape is {list(tensor.shape)}, but the operator needs {list(shape)}",
        "The file is damaged or was written by an unknown converter; convert the model again.",
        tensor,
    )


def check_activation(view: NodeView, activation: Activation, output: Tensor) -> None:
    """Require a fused activation to leave at least one value."""
    # TFLM refuses limits outside 32 bits.
    view.require(
        activation is Activation.NONE or scale(output) > 6.0 / 2**30,
        f"its scale, {scale(output):.3g}, is too small for the activation {activation.name}",
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
    quantized = check_quantized(view, weights, DType.INT8, zero_scale=True)
    view.require(
        all(z == 0 for z in quantized.zero_points),
        "the weights have a zero point other than 0",
        _CONVERT,
        weights,
    )
    view.require(
        not quantized.per_channel or (quantized.axis == axis and len(quantized.scales) == channels),
        "the weights are quantised along an axis other than the output channels",
        _CONVERT,
        weights,
    )
    if bias is not None:
        check_constant(view, bias, "bias")
        view.require(bias.dtype is DType.INT32, "the bias is not int32", _CONVERT, bias)
        check_shape(view, bias, (channels,))


def check_accumulator(view: NodeView, sums: Array, bias: Array, shifts: Sequence[int]) -> None:
    """Require that neither the sums nor their requantisation can overflow 32 bits, for any input.

    Args:
        sums: of the absolute weights, per channel.
        bias: per channel.
        shifts: of the requantisation, per channel or one for all channels.
    """
    check_shifts(view, shifts)
    worst = np.abs(bias.astype(np.int64)) + 255 * sums.astype(np.int64)
    # Converters saturate the bias of a filter of zeros: nothing is added, and a right shift halves.
    worst[(sums == 0) & (np.asarray(shifts) < 0)] = 0
    largest = int(np.max(np.minimum(worst, 2**31) << np.maximum(shifts, 0)))
    # Leave room for adding a zero point.
    view.require(
        largest < 2**31 - 128,
        f"its scaled sums can reach {largest:,}, which does not fit into 32 bits",
        "Scale the layer's weights or inputs, or split the layer.",
    )


def check_shifts(view: NodeView, shifts: Sequence[int]) -> None:
    """Require shifts that TFLM's requantisation supports."""
    view.require(
        all(-31 <= s <= 30 for s in shifts),
        f"a ratio of its scales needs a shift of {max(shifts)}, which is outside -31 to 30",
        "The scales in the file differ by more than 2**30; calibrate with real data.",
    )


def conv_multipliers(
    inp: Tensor, weights: Tensor, out: Tensor, channels: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Multipliers and shifts of all output channels, computed like TFLM's convolutions."""
    scales = quantization(weights).scales
    if len(scales) == 1:
        scales = scales * channels
    scale_in, scale_out = scale(inp), scale(out)
    return quantize_multipliers(tuple(scale_in * s / scale_out for s in scales))


def single_multiplier(a: Tensor, b: Tensor, out: Tensor) -> float:
    """Ratio of the product of two tensors' scales to the output's scale."""
    return scale(a) * scale(b) / scale(out)


def bias_values(bias: Tensor | None, channels: int) -> Array:
    """Bias as int32 values; zeros without a bias."""
    return np.zeros(channels, np.int32) if bias is None else bias.array()


def check_rank(view: NodeView, *tensors: Tensor) -> None:
    """Require at most 6 dimensions, the limit of TFLM's shapes."""
    for tensor in tensors:
        view.require(
            len(tensor.shape) <= 6,
            f"it has {len(tensor.shape)} dimensions, but TensorFlow Lite Micro allows at most 6",
            "Reshape the tensor before the layer.",
            tensor,
        )


def check_requantization(view: NodeView, largest: int, ratio: float) -> None:
    """Require that sums up to `largest`, multiplied by a ratio of scales, do not overflow 32 bits.

    Leaves room for adding a zero point.
    """
    possible = 0 <= ratio < 2.0**31
    if possible:
        shift = quantize_multiplier(ratio)[1]
        possible = shift <= 30 and (largest << max(shift, 0)) < 2**31 - 128
    view.require(
        largest < 2**31 - 128,
        f"its sums can reach {largest:,}, which does not fit into 32 bits",
        "Split the layer into several layers that add up fewer values each.",
    )
    view.require(
        possible,
        f"a ratio of its scales is {ratio:.3g}, which is too large for 32-bit arithmetic",
        "The scales in the file are out of proportion; calibrate with real data.",
    )
