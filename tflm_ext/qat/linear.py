"""The linear part of layers with a kernel, and how their weights are rounded to int8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

BITS = 8
LEVELS = 127  # of int8 weights on either side of zero

# Weights of a channel that are smaller than this share of the tensor's largest one are rounded to
# a coarser grid: their own would make the int32 of the channel's bias overflow.
_SMALLEST_SHARE = 1e-4


def weight_limits(kernel: Any, axis: int | None) -> Any:
    """The largest magnitude of every channel, or of the tensor, as its int8 grid has it.

    Args:
        kernel: the weights, of any shape.
        axis: of the channels; None for one grid.
    """
    magnitude = ops.abs(ops.stop_gradient(kernel))
    largest = ops.max(magnitude)
    largest = ops.where(largest > 0, largest, 1.0)
    if axis is None:
        return largest
    others = [i for i in range(len(kernel.shape)) if i != axis % len(kernel.shape)]
    return ops.maximum(ops.max(magnitude, axis=others), largest * _SMALLEST_SHARE)


def rounded_weights(kernel: Any, axis: int | None) -> Any:
    """Weights on their int8 grid of -127 to 127, with the gradient passed straight through."""
    limits = weight_limits(kernel, axis)
    if axis is None or axis in {-1, len(kernel.shape) - 1}:
        return keras.quantizers.fake_quant_with_min_max_vars(
            kernel, -limits, limits, num_bits=BITS, narrow_range=True, axis=axis
        )
    # The converter cannot read a fake-quant along an axis other than the last. It reads plain
    # weights that lie on a grid, and finds the same grid if the largest one is kept exactly.
    shape = [1] * len(kernel.shape)
    shape[axis] = -1
    limits = ops.reshape(limits, shape)
    step = limits / LEVELS
    grid = ops.where(ops.abs(kernel) >= limits, kernel, ops.round(kernel / step) * step)
    return kernel + ops.stop_gradient(grid - kernel)


@dataclass(frozen=True)
class Kind:
    """How a layer with a kernel is computed.

    Attributes:
        linear: from layer, input and kernel in the form of an image's to the output without bias.
        axis: of the output channels in the form in which weights are rounded; None for one grid.
            TensorFlow Lite has one scale per channel for convolutions; Dense keeps one.
        row: the kernel is that of a sequence, an image of one row.
        flat: kernels of a depthwise convolution have their last two axes as one.
    """

    linear: Callable[[Any, Any, Any], Any]
    axis: int | None = -1
    row: bool = False
    flat: bool = False

    def spread(self, kernel: Any) -> Any:
        """The kernel in the form in which it is rounded: channels along one axis."""
        if self.row:
            kernel = ops.expand_dims(kernel, 0)
        if self.flat:
            kernel = ops.reshape(kernel, (*kernel.shape[:-2], -1))
        return kernel

    def gather(self, spread: Any, shape: Any) -> Any:
        """The kernel in the form in which linear() takes it, from the one that is rounded."""
        return ops.reshape(spread, (1, *shape) if self.row else shape)

    def along(self, channels: Any) -> Any:
        """Values per output channel in a shape that multiplies the spread kernel."""
        return ops.expand_dims(channels, -1) if self.axis == -2 else channels


def _convolution(layer: Any, x: Any, kernel: Any) -> Any:
    if len(x.shape) == 4:
        return ops.conv(
            x,
            kernel,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            data_format="channels_last",
        )
    (dilation,), padding = layer.dilation_rate, layer.padding
    if padding == "causal":
        past = dilation * (layer.kernel_size[0] - 1)
        x, padding = ops.pad(x, ((0, 0), (past, 0), (0, 0))), "valid"
    y = ops.conv(
        ops.expand_dims(x, 1),
        kernel,
        strides=(1, *layer.strides),
        padding=padding,
        dilation_rate=(1, dilation),
        data_format="channels_last",
    )
    return ops.squeeze(y, 1)


def _depthwise(layer: Any, x: Any, kernel: Any) -> Any:
    row = len(x.shape) == 3
    y = ops.depthwise_conv(
        ops.expand_dims(x, 1) if row else x,
        kernel,
        strides=(layer.strides[0],) * 2 if row else layer.strides,
        padding=layer.padding,
        dilation_rate=(1, *layer.dilation_rate) if row else layer.dilation_rate,
        data_format="channels_last",
    )
    return ops.squeeze(y, 1) if row else y


def _transposed(layer: Any, x: Any, kernel: Any) -> Any:
    return ops.conv_transpose(
        x,
        kernel,
        strides=layer.strides,
        padding=layer.padding,
        output_padding=layer.output_padding,
        dilation_rate=layer.dilation_rate,
        data_format="channels_last",
    )


def _dense(layer: Any, x: Any, kernel: Any) -> Any:
    return ops.matmul(x, kernel)


KINDS: Mapping[str, Kind] = {
    "Conv1D": Kind(_convolution, row=True),
    "Conv1DTranspose": Kind(_transposed, axis=-2),
    "Conv2D": Kind(_convolution),
    "Conv2DTranspose": Kind(_transposed, axis=-2),
    "Dense": Kind(_dense, axis=None),
    "DepthwiseConv1D": Kind(_depthwise, row=True, flat=True),
    "DepthwiseConv2D": Kind(_depthwise, flat=True),
}
