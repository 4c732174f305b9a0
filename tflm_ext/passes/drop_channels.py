"""Channels that have the same value for every input of the model are not computed.

Trained nets have them: a filter whose sum never rises above what ReLU cuts off, a channel whose
weights decayed to nothing. What such a channel adds to the layers that read it is a constant, too,
and becomes part of their bias. All that is left is as it was, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tflm_ext.arithmetic import activation_range, multiply_by_quantized_multiplier
from tflm_ext.ir import DType, Graph, NodeView, Tensor
from tflm_ext.ops.base import Array
from tflm_ext.ops.common import bias_values, conv_multipliers, scale, zero_point
from tflm_ext.ops.windows import pads

_MULTIPLE = 4  # what kernels like; some channels stay for it
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_MATRICES = ("CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class _Fixed:
    """What is known of a tensor's channels.

    Attributes:
        mask: (channels,) of bool, whether the value is always the same.
        values: (channels,) of int, that value; anything elsewhere.
    """

    mask: Array
    values: Array


def rewrite(graph: Graph) -> Graph:
    """Remove constant channels between layers that multiply by weights."""
    fixed = _fixed_channels(graph)
    kept = _kept_channels(graph, fixed) if fixed else {}
    if not kept:
        return graph
    next_index = graph.next_tensor_index()
    narrowed: dict[int, Tensor] = {}
    for i, tensor in graph.tensors.items():
        keep = kept.get(graph.storage(i))
        if keep is not None and not tensor.constant:
            shape = (*tensor.shape[:-1], len(keep))
            narrowed[i] = replace(tensor, index=next_index, shape=shape)
            next_index += 1
    new: list[Tensor] = []
    for tensor in narrowed.values():
        alias = tensor.alias
        new.append(tensor if alias is None else replace(tensor, alias=narrowed[alias].index))
    nodes = []
    for node in graph.nodes:
        view = graph.view(node)
        own: list[Tensor] = []
        if node.operator in (*_MATRICES, "DEPTHWISE_CONV_2D"):
            own = _weights(view, kept, fixed, next_index)
            next_index += len(own)
            new += own
        names = {i: narrowed[i].index for i in (*node.inputs, *node.outputs) if i in narrowed}
        inputs = [names.get(i, i) for i in node.inputs]
        if own:
            inputs[1:] = [tensor.index for tensor in own]
        outputs = tuple(names.get(i, i) for i in node.outputs)
        nodes.append(replace(node, inputs=tuple(inputs), outputs=outputs))
    return replace(graph.with_tensors(*new), nodes=tuple(nodes))


def _fixed_channels(graph: Graph) -> dict[int, _Fixed]:
    """By number of the tensor that owns the bytes."""
    fixed: dict[int, _Fixed] = {}
    for view in graph.views():
        found = None
        if _has_weights(view):
            found = _fixed_sums(view, fixed.get(graph.storage(view.node.inputs[0])))
        elif view.node.operator in _POOLS:
            found = _pooled(view, fixed.get(graph.storage(view.node.inputs[0])))
        if found is not None and found.mask.any():
            fixed[view.node.outputs[0]] = found
    return fixed


def _pooled(view: NodeView, known: _Fixed | None) -> _Fixed | None:
    """What a pooling makes of constants: themselves, as far as its activation lets them."""
    out = view.output()
    if known is None:
        return None
    limits = activation_range(view.options.activation, scale(out), zero_point(out))
    return replace(known, values=np.clip(known.values, *limits))


def _has_weights(view: NodeView) -> bool:
    """Whether a node is one that this rewrite can narrow, with constants for weights and bias."""
    name = view.node.operator
    if name not in (*_MATRICES, "DEPTHWISE_CONV_2D") or view.input(0).constant:
        return False
    if not all(tensor.constant for tensor in view.inputs[1:]) or view.output().dtype != DType.INT8:
        return False
    depth = view.input(0).shape[-1]
    if name == "DEPTHWISE_CONV_2D":
        return bool(view.options.depth_multiplier == 1)
    return view.input(1).shape[-1] == depth  # no groups, nothing flattened


def _matrix(view: NodeView) -> Array:
    """(output channels, taps, input channels), of one input channel where it is depthwise."""
    weights = view.input(1).array().astype(np.int64)
    if view.node.operator == "DEPTHWISE_CONV_2D":
        return weights.reshape(-1, weights.shape[3]).T[:, :, np.newaxis]
    return weights.reshape(weights.shape[0], -1, weights.shape[-1])


def _bias(view: NodeView, channels: int) -> Array:
    return bias_values(view.input(2) if view.has_input(2) else None, channels).astype(np.int64)


def _fixed_sums(view: NodeView, known: _Fixed | None) -> _Fixed:
    """Output channels whose least and largest sum become the same byte."""
    image, weights, out = view.input(0), view.input(1), view.output()
    matrix, zero = _matrix(view), zero_point(image)
    channels = len(matrix)
    ends = np.array([-128 - zero, 127 - zero])[:, np.newaxis]
    depthwise = view.node.operator == "DEPTHWISE_CONV_2D"
    reach = np.repeat(ends, image.shape[-1], axis=1)  # of each input channel, less its zero point
    if known is not None:
        offset = known.values - zero
        # Beside the image it is zero.
        least = np.minimum(offset, 0) if pads(view) else offset
        most = np.maximum(offset, 0) if pads(view) else offset
        reach = np.where(known.mask, np.stack([least, most]), reach)
    low, high = (r[:, np.newaxis, np.newaxis] if depthwise else r for r in reach)
    lowest = _bias(view, channels) + np.minimum(matrix * low, matrix * high).sum((1, 2))
    highest = _bias(view, channels) + np.maximum(matrix * low, matrix * high).sum((1, 2))
    multipliers, shifts = (np.array(n) for n in conv_multipliers(image, weights, out, channels))
    limits = activation_range(view.options.activation, scale(out), zero_point(out))
    bottom, top = (
        np.clip(
            multiply_by_quantized_multiplier(end, multipliers, shifts) + zero_point(out), *limits
        )
        for end in (lowest, highest)
    )
    # A left shift may wrap between the two.
    return _Fixed((bottom == top) & ((shifts <= 0) | (lowest == highest)), bottom)


def _kept_channels(graph: Graph, fixed: Mapping[int, _Fixed]) -> dict[int, Array]:
    """Numbers of the channels that stay, for each tensor that loses some.

    Tensors before and behind a depthwise convolution or a pooling lose the same ones: those whose
    value behind is always the same. What feeds them is then needed by nobody.
    """
    groups: dict[int, int] = {}
    for view in graph.views():
        if view.node.operator in _MATRICES and _has_weights(view):
            groups[view.node.outputs[0]] = view.node.outputs[0]
        elif _links(view):
            group = groups.get(graph.storage(view.node.inputs[0]))
            if group is not None:
                groups[view.node.outputs[0]] = group
    readers: dict[int, list[NodeView]] = {}
    for view in graph.views():
        for tensor in {graph.storage(i) for i in view.node.inputs if i >= 0}:
            readers.setdefault(tensor, []).append(view)
    outputs = {graph.storage(i) for i in graph.outputs}
    removable: dict[int, Array] = {
        group: np.ones(graph.tensors[group].shape[-1], bool) for group in groups.values()
    }
    for tensor, group in groups.items():
        channels = graph.tensors[tensor].shape[-1]
        read = [] if tensor in outputs else readers.get(tensor, [])
        removable[group] &= _removable(tensor, channels, read, fixed.get(tensor))
    kept = {}
    for tensor, group in groups.items():
        constant = removable[group]
        least = -(-int((~constant).sum()) // _MULTIPLE) * _MULTIPLE
        goes = np.flatnonzero(constant)[: max(0, len(constant) - max(least, _MULTIPLE))]
        if len(goes):
            kept[tensor] = np.setdiff1d(np.arange(len(constant)), goes)
    return kept


def _links(view: NodeView) -> bool:
    """Whether each channel of the output depends on the same channel of the input alone."""
    if view.node.operator == "DEPTHWISE_CONV_2D":
        return _has_weights(view)
    return view.node.operator in _POOLS


def _removable(
    tensor: int, channels: int, readers: Sequence[NodeView], fixed: _Fixed | None
) -> Array:
    """Channels of a tensor without which all its readers can do; none of one without readers."""
    found = np.full(channels, bool(readers))
    for view in readers:
        others = {view.graph.storage(i) for i in view.node.inputs[1:] if i >= 0}
        if tensor in others or view.input(0).shape[-1] != channels:
            return np.zeros(channels, bool)
        if _links(view):
            continue
        if view.node.operator not in _MATRICES or not _has_weights(view) or fixed is None:
            return np.zeros(channels, bool)
        zero = fixed.values == zero_point(view.input(0))
        found &= fixed.mask & (zero | (not pads(view)))
    return found


def _weights(
    view: NodeView, kept: Mapping[int, Array], fixed: Mapping[int, _Fixed], index: int
) -> list[Tensor]:
    """Weights and bias of a node whose input or output has fewer channels; [] if neither has."""
    source = view.graph.storage(view.node.inputs[0])
    before, behind = kept.get(source), kept.get(view.node.outputs[0])
    if before is None and behind is None:
        return []
    weights = view.input(1)
    depthwise = view.node.operator == "DEPTHWISE_CONV_2D"
    axis = 3 if depthwise else 0
    values = weights.array()
    bias = _bias(view, values.shape[axis])
    if before is not None and not depthwise:
        gone = np.setdiff1d(np.arange(values.shape[-1]), before)
        offset = fixed[source].values[gone] - zero_point(view.input(0))
        bias = bias + (_matrix(view)[:, :, gone] * offset).sum((1, 2))
        values = values[..., before]
    if behind is not None:
        values, bias = values.take(behind, axis), bias[behind]
    made = [
        replace(
            _selected(weights, behind),
            index=index,
            shape=values.shape,
            data=np.ascontiguousarray(values).tobytes(),
        )
    ]
    if view.has_input(2) or bias.any():
        first = view.input(2) if view.has_input(2) else replace(weights, quantization=None)
        tensor = replace(
            _selected(first, behind),
            index=index + 1,
            dtype=DType.INT32,
            shape=bias.shape,
            data=bias.astype("<i4").tobytes(),
        )
        made.append(tensor)
    return made


def _selected(tensor: Tensor, channels: Array | None) -> Tensor:
    """With the scales of some channels alone."""
    quantization = tensor.quantization
    if channels is None or quantization is None or not quantization.per_channel:
        return tensor
    scales, points = quantization.scales, quantization.zero_points
    return replace(
        tensor,
        quantization=replace(
            quantization,
            scales=tuple(scales[i] for i in channels),
            zero_points=tuple(points[i] for i in channels),
        ),
    )
