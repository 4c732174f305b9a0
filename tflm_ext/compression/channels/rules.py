"""Rules for channels in RULES, one for each kind of layer.

A channel is a position of a tensor's last axis. A rule takes the input channels, and returns the
output channels, the axes of the layer's weights that run along channels, and the settings that
count them. A layer without a rule is a barrier: channels before and after it are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np

from tflm_ext.compression.channels.groups import Effect, Reason, Role, Slice
from tflm_ext.compression.channels.ties import Channels, Ties

Shape: TypeAlias = tuple[int | None, ...]
layers = keras.layers


@dataclass(frozen=True, slots=True)
class Call:
    """One use of an operation.

    Attributes:
        inputs: channels of each input tensor.
        input_shapes, output_shape: including the batch.
        constants: arguments that are not tensors of the model.
    """

    operation: Any
    inputs: tuple[Channels, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    constants: tuple[Any, ...]
    ties: Ties


Rule: TypeAlias = Callable[[Call], Effect | Reason]


def effect(call: Call) -> Effect | Reason:
    """Return how an operation treats channels, or why that is unknown."""
    operation = call.operation
    rule = RULES.get(type(operation)) or _rule_of_function(operation)
    if rule is None:
        return _wall(operation)
    if getattr(operation, "data_format", None) == "channels_first":
        return Reason.LAYOUT
    return rule(call)


def of_activation(operation: Any) -> Reason | None:
    """Return why a layer's activation prevents pruning of its outputs; None if it does not."""
    activation = getattr(operation, "activation", None)
    if activation is None or _elementwise(activation):
        return None
    return Reason.MIXES if activation in _ACROSS_CHANNELS else Reason.CUSTOM


def positions(operation: Any) -> float:
    """Return the number of positions of a tensor at which a layer's kernels are used."""
    transposed = isinstance(operation, layers.Conv1DTranspose | layers.Conv2DTranspose)
    try:
        shape = (operation.input if transposed else operation.output).shape
    except (AttributeError, ValueError):
        return 1.0  # an operation of several uses; it has no kernel
    return float(math.prod(size or 1 for size in shape[1:-1]))


def constrained(operation: Any) -> bool:
    """Whether a weight of a layer has a constraint, which different sizes could violate."""
    names = [name for name in vars(operation) if name.endswith("_constraint")]
    return any(getattr(operation, name) is not None for name in names)


def _wall(operation: Any) -> Reason:
    module = type(operation).__module__
    if type(operation) is layers.Lambda or not module.startswith("keras.src."):
        return Reason.CUSTOM
    if ".layers.attention." in module:
        return Reason.ATTENTION
    if ".layers.rnn." in module and type(operation) is not layers.TimeDistributed:
        return Reason.RECURRENT
    across = (layers.Softmax, layers.Dot, layers.EinsumDense)
    if ".layers.normalization." in module or type(operation) in across:
        return Reason.MIXES
    return Reason.UNKNOWN


_ACROSS_CHANNELS = (
    keras.activations.softmax,
    keras.activations.log_softmax,
    keras.activations.glu,
    keras.activations.sparsemax,
)
# fmt: off
_ELEMENTWISE = frozenset((
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "mish", "relu", "relu6", "selu",
    "sigmoid", "silu", "soft_shrink", "softplus", "softsign", "sparse_plus", "sparse_sigmoid",
    "squareplus", "tanh", "tanh_shrink", "threshold",
))
# fmt: on


def _elementwise(activation: Any) -> bool:
    if isinstance(activation, keras.layers.Layer):
        return type(activation) in (layers.ReLU, layers.LeakyReLU, layers.ELU)
    name = getattr(activation, "__name__", "")
    return name in _ELEMENTWISE and activation is getattr(keras.activations, name, None)


def _same(call: Call) -> Effect | Reason:
    """Rule for layers that treat channels separately: activations, pooling, padding, resizing."""
    if len(call.inputs) != 1 or call.output_shape[-1] != len(call.inputs[0]):
        return Reason.UNKNOWN
    return Effect(call.inputs[0])


def _dropout(call: Call) -> Effect | Reason:
    noise = getattr(call.operation, "noise_shape", None)
    return Reason.UNKNOWN if noise and noise[-1] not in (None, 1) else _same(call)


def _rescaling(call: Call) -> Effect | Reason:
    scalars = np.ndim(call.operation.scale) == np.ndim(call.operation.offset) == 0
    return _same(call) if scalars else Reason.UNKNOWN


def _permute(call: Call) -> Effect | Reason:
    dims = call.operation.dims
    return _same(call) if dims[-1] == len(dims) else Reason.UNKNOWN


def _conv(call: Call) -> Effect | Reason:
    """Rule for a kernel (*window, in / groups, out). Whole groups are removed."""
    layer, x = call.operation, call.inputs[0]
    out = call.ties.new(layer.filters)
    slices = [Slice(0, -1, out, Role.PRODUCES)]
    sizes = {"filters": out}
    if layer.groups == 1:
        slices.append(Slice(0, -2, x, Role.CONSUMES))
    else:
        sources, results = x.reshape(layer.groups, -1), out.reshape(layer.groups, -1)
        for source, result in zip(sources, results, strict=True):
            call.ties.tie(source, source[:1])
            call.ties.tie(result, source[:1])
        sizes["groups"] = sources[:, 0]
    return _weighted(layer, out, slices, sizes, bias=out)


def _conv_transpose(call: Call) -> Effect | Reason:
    """Kernel (*window, out, in)."""
    layer, x = call.operation, call.inputs[0]
    out = call.ties.new(layer.filters)
    slices = [Slice(0, -2, out, Role.PRODUCES), Slice(0, -1, x, Role.CONSUMES)]
    return _weighted(layer, out, slices, {"filters": out}, bias=out)


def _depthwise(call: Call) -> Effect | Reason:
    """Rule for a kernel (*window, in, multiplier): each output channel belongs to an input."""
    layer, x = call.operation, call.inputs[0]
    out = np.repeat(x, layer.depth_multiplier)
    return _weighted(layer, out, [Slice(0, -2, x, Role.CARRIES)], {}, bias=out)


def _separable(call: Call) -> Effect | Reason:
    """A depthwise kernel (*window, in, multiplier), then one of (1, in * multiplier, out)."""
    layer, x = call.operation, call.inputs[0]
    out = call.ties.new(layer.filters)
    slices = [
        Slice(0, -2, x, Role.CARRIES),
        Slice(1, -2, np.repeat(x, layer.depth_multiplier), Role.CONSUMES),
        Slice(1, -1, out, Role.PRODUCES),
    ]
    return _weighted(layer, out, slices, {"filters": out}, bias=out)


def _dense(call: Call) -> Effect | Reason:
    """Kernel (in, out)."""
    layer, x = call.operation, call.inputs[0]
    out = call.ties.new(layer.units)
    slices = [Slice(0, 0, x, Role.CONSUMES), Slice(0, 1, out, Role.PRODUCES)]
    return _weighted(layer, out, slices, {"units": out}, bias=out)


def _batch_normalization(call: Call) -> Effect | Reason:
    layer, x = call.operation, call.inputs[0]
    if layer.axis not in (-1, len(call.output_shape) - 1):
        return Reason.LAYOUT
    slices = [Slice(i, 0, x, Role.CARRIES) for i in range(len(layer.weights))]
    return Effect(x, tuple(slices))


def _prelu(call: Call) -> Effect | Reason:
    x = call.inputs[0]
    shared = call.operation.alpha.shape[-1] != len(x)
    return Effect(x, () if shared else (Slice(0, -1, x, Role.CARRIES),))


def _weighted(
    layer: Any, out: Channels, slices: list[Slice], sizes: dict[str, Channels], *, bias: Channels
) -> Effect | Reason:
    """Rule for a layer whose weights are kernels and a bias; with LoRA or int8, it has more."""
    kernels = 1 + max(piece.weight for piece in slices)
    if len(layer.weights) != kernels + bool(layer.use_bias):
        return Reason.UNKNOWN
    if layer.use_bias:
        slices = [*slices, Slice(kernels, 0, bias, Role.CARRIES)]
    return Effect(out, tuple(slices), sizes)


def _merge(call: Call) -> Effect | Reason:
    """Rule for elementwise layers, with broadcasting as in squeeze and excitation."""
    if any(np.ndim(c) and np.shape(c)[-1] != 1 for c in call.constants):
        return Reason.UNKNOWN
    widest = max(call.inputs, key=len)
    for x in call.inputs:
        if len(x) == len(widest):
            call.ties.tie(x, widest)
        # A channel that is broadcast to all others is never removed: a layer with a single channel,
        # or with all its channels tied, has none to spare.
        elif len(x) != 1:
            return Reason.UNKNOWN
    return Effect(widest)


def _concatenate(call: Call) -> Effect | Reason:
    rank = len(call.output_shape)
    if call.operation.axis % rank == rank - 1:
        return Effect(np.concatenate(call.inputs))
    for x in call.inputs[1:]:
        call.ties.tie(x, call.inputs[0])
    return Effect(call.inputs[0])


def _reshape(call: Call) -> Effect | Reason:
    """Rule for layers that keep the order of elements; follows the channel of each element."""
    x, before, after = call.inputs[0], call.input_shapes[0][1:], call.output_shape[1:]
    known = [size for size in (*before, *after) if size is not None]
    sizes: dict[str, Channels] = {}
    if before[-1] == after[-1]:
        out = x
    elif len(known) < len(before) + len(after):
        return Reason.UNKNOWN
    else:
        lines = np.broadcast_to(x, known[: len(before)]).reshape(-1, known[-1])
        out = lines[0]
        for line in lines[1:]:
            call.ties.tie(line, out)
    target = getattr(call.operation, "target_shape", None)
    if target is not None and target[-1] != -1:
        sizes["target_shape"] = out
    return Effect(out, sizes=sizes)


def _reduction(call: Call) -> Effect | Reason:
    axes, rank = call.operation.axis, len(call.input_shapes[0])
    axes = range(rank) if axes is None else np.atleast_1d(axes).tolist()
    return Reason.MIXES if rank - 1 in {axis % rank for axis in axes} else _same(call)


def _rules(rule: Rule, *names: str) -> dict[Any, Rule]:
    """Return a rule for classes of keras.layers; `{}` in a name means 1D, 2D and 3D."""
    spelt = [name.format(f"{d}D") for name in names for d in ((1, 2, 3) if "{}" in name else (0,))]
    return {getattr(layers, name): rule for name in spelt if hasattr(layers, name)}


# A user's class derived from one of these has no rule, because it may compute anything.
RULES: Mapping[Any, Rule] = {
    **_rules(_same, "Activation", "ReLU", "LeakyReLU", "ELU", "Identity", "ActivityRegularization"),
    **_rules(_same, "GaussianNoise", "GaussianDropout", "SpatialDropout{}", "RepeatVector"),
    **_rules(_same, "MaxPooling{}", "AveragePooling{}", "AdaptiveMaxPooling{}"),
    **_rules(_same, "GlobalMaxPooling{}", "GlobalAveragePooling{}", "AdaptiveAveragePooling{}"),
    **_rules(_same, "ZeroPadding{}", "Cropping{}", "UpSampling{}", "Resizing"),
    **_rules(_dropout, "Dropout"),
    **_rules(_rescaling, "Rescaling"),
    **_rules(_permute, "Permute"),
    **_rules(_conv, "Conv{}"),
    **_rules(_conv_transpose, "Conv{}Transpose"),
    **_rules(_depthwise, "DepthwiseConv1D", "DepthwiseConv2D"),
    **_rules(_separable, "SeparableConv1D", "SeparableConv2D"),
    **_rules(_dense, "Dense"),
    **_rules(_batch_normalization, "BatchNormalization"),
    **_rules(_prelu, "PReLU"),
    **_rules(_merge, "Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average"),
    **_rules(_concatenate, "Concatenate"),
    **_rules(_reshape, "Flatten", "Reshape"),
}
# keras.ops on tensors of the model, like a + b, are operations of these names.
_FUNCTIONS: Mapping[str, Rule] = {
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Divide", "TrueDivide"), _merge),
    **dict.fromkeys(("Maximum", "Minimum"), _merge),
    **dict.fromkeys(("Relu", "Relu6", "Sigmoid", "Tanh", "Silu", "Gelu", "Elu", "Selu"), _same),
    **dict.fromkeys(("HardSigmoid", "HardSilu", "LeakyRelu", "Softplus", "Softsign"), _same),
    **dict.fromkeys(("Absolute", "Abs", "Negative", "Square", "Sqrt", "Exp"), _same),
    **dict.fromkeys(("Mean", "Max", "Min", "Sum"), _reduction),
    "Concatenate": _concatenate,
}


def _rule_of_function(operation: Any) -> Rule | None:
    if not type(operation).__module__.startswith("keras.src.ops."):
        return None
    return _FUNCTIONS.get(type(operation).__name__)


def size_after(setting: str, value: Any, count: int) -> Any:
    """Return a setting of Effect.sizes for a different number of channels."""
    return (*value[:-1], count) if setting in ("target_shape", "batch_shape") else count
