"""Channels that have the same value for every input of the model are not computed.

Trained networks have such channels: a filter whose sum never exceeds what ReLU cuts off, or a
channel whose weights decayed to zero. The contribution of such a channel to the layers that read it
is also constant, and becomes part of their bias. Everything else stays the same, byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tflm_ext.arithmetic import activation_range, multiply_by_quantized_multiplier
from tflm_ext.ir import DType, Graph, NodeView, Quantization, Tensor
from tflm_ext.opslib import pooling
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import bias_values, conv_multipliers, quantization, scale, zero_point
from tflm_ext.opslib.windows import every_window_sees, pads
from tflm_ext.passes.changes import Change, changed, changed_nodes, shape_of

_MULTIPLE = 4  # the multiple that suits the kernels; some channels stay for it
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_MATRICES = ("CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class _Fixed:
    """What is known about the bytes of a tensor, in rows as long as its writer has channels.

    Other operators may read the same bytes in a different shape, and therefore in rows of a
    different length: for them, use in_rows() with their own length, never these arrays directly.

    Attributes:
        mask: (channels,) of bool, whether the value is always the same.
        values: (channels,) of int, that value; arbitrary elsewhere.
    """

    mask: Array
    values: Array

    def in_rows(self, channels: int) -> _Fixed:
        """Return the same bytes in rows of a different length.

        Each channel then consists of one or more of the channels here, and is fixed if all of them
        are fixed to the same value.
        """
        period = math.lcm(len(self.mask), channels)
        mask, values = (
            np.tile(a, period // len(a)).reshape(-1, channels) for a in (self.mask, self.values)
        )
        return _Fixed(mask.all(0) & (values == values[0]).all(0), values[0])


@dataclass(frozen=True)
class _Kept:
    """The channels of a tensor that are kept.

    Attributes:
        numbers: (kept,), increasing.
        channels: how many there were.
    """

    numbers: Array
    channels: int

    def in_rows(self, channels: int) -> Array:
        """Return the kept elements of rows that repeat all channels, like a flattened image."""
        first = np.arange(0, channels, self.channels)
        return (first[:, np.newaxis] + self.numbers).reshape(-1)


def rewrite(graph: Graph) -> Graph:
    """Remove constant channels between layers that multiply by weights."""
    fixed = _fixed_channels(graph)
    kept = _kept_channels(graph, fixed) if fixed else {}
    if not kept:
        return graph
    narrowed = _narrowed(graph, kept)
    new = list(narrowed.values())
    next_index = graph.next_tensor_index() + len(new)
    nodes = []
    for node in graph.nodes:
        own: list[Tensor] = []
        if node.operator in (*_MATRICES, "DEPTHWISE_CONV_2D"):
            own = _weights(graph.view(node), kept, fixed, next_index)
            next_index += len(own)
            new += own
        names = {i: narrowed[i].index for i in (*node.inputs, *node.outputs) if i in narrowed}
        inputs = [names.get(i, i) for i in node.inputs]
        if own:
            inputs[1:] = [tensor.index for tensor in own]
        outputs = tuple(names.get(i, i) for i in node.outputs)
        nodes.append(replace(node, inputs=tuple(inputs), outputs=outputs))
    return replace(graph.with_tensors(*new), nodes=tuple(nodes))


def explain(before: Graph, after: Graph) -> list[Change]:
    """What rewrite() did to a graph."""
    fixed = _fixed_channels(before)
    found, narrowed = [], _kept_channels(before, fixed)
    for i, kept in narrowed.items():
        tensor, known = before.tensors[i], fixed.get(i)
        gone = np.setdiff1d(np.arange(kept.channels), kept.numbers)
        why = "feed only channels that are dropped"
        if known is not None and known.mask[gone].all():
            values = ", ".join(map(str, np.unique(known.values[gone]).tolist()))
            why = f"are always {values}, for all inputs of the model"
        reason = f"{len(gone)} of {kept.channels} channels {why}"
        found.append(Change("tensor", i, tensor.name, "changed", reason, tuple(map(int, gone))))
    for old, new in changed_nodes(before, after):
        kept_here = narrowed.get(old.outputs[0])
        found.append(changed(new, _narrowing(before.view(old), after.view(new), kept_here)))
    return found


def _narrowing(old: NodeView, new: NodeView, kept: _Kept | None) -> str:
    """Describe how an operator got fewer channels.

    Args:
        kept: channels of its output; None if all of them.
    """
    tensors = [("reads", old.input(), new.input()), ("writes", old.output(), new.output())]
    more = ""
    if _has_weights(old):
        tensors.insert(1, ("weights", old.input(1), new.input(1)))
        bias = _bias(old, old.output().shape[-1])
        bias = bias if kept is None else bias[kept.numbers]
        if not np.array_equal(bias, _bias(new, len(bias))):
            more = "; the bias includes the contribution of the dropped channels"
    shapes = ((what, shape_of(a), shape_of(b)) for what, a, b in tensors)
    return ", ".join(f"{what} {a} -> {b}" for what, a, b in shapes if a != b) + more


def _narrowed(graph: Graph, kept: Mapping[int, _Kept]) -> dict[int, Tensor]:
    """Tensors with fewer channels, for those that operators write and, through aliases, read."""
    used = {i: None for n in graph.nodes for i in (*n.outputs, *n.inputs) if i >= 0}
    found: dict[int, Tensor] = {}
    for i in used:
        tensor, root = graph.tensors[i], graph.storage(i)
        if root in kept:
            *rest, channels = tensor.shape
            found[i] = replace(
                tensor,
                index=graph.next_tensor_index() + len(found),
                shape=(*rest, len(kept[root].in_rows(channels))),
                alias=None if i == root else found[root].index,
            )
    return found


def _fixed_channels(graph: Graph) -> dict[int, _Fixed]:
    """By number of the tensor that owns the bytes."""
    fixed: dict[int, _Fixed] = {}
    for view in graph.views():
        found = None
        if _has_weights(view):
            found = _fixed_sums(view, _known(view, fixed))
        elif view.node.operator in _POOLS:
            found = _pooled(view, _known(view, fixed))
        if found is not None and found.mask.any():
            fixed[view.node.outputs[0]] = found
    return fixed


def _known(view: NodeView, fixed: Mapping[int, _Fixed]) -> _Fixed | None:
    """Return what is known about the channels of input 0, as the operator sees them."""
    known = fixed.get(view.graph.storage(view.node.inputs[0]))
    return None if known is None else known.in_rows(_depth(view))


def _depth(view: NodeView) -> int:
    """Channels of input 0 as the operator sees them: a matrix may use longer or shorter rows."""
    return view.input(int(view.node.operator == "FULLY_CONNECTED")).shape[-1]


def _pooled(view: NodeView, known: _Fixed | None) -> _Fixed | None:
    """The result of pooling constants: the constants, clamped by the activation."""
    out = view.output()
    if known is None:
        return None
    # A window that covers only padding has the smallest value.
    mask = known.mask & (every_window_sees(*pooling.axes(view)) | (known.values == -128))
    limits = activation_range(view.options.activation, scale(out), zero_point(out))
    return _Fixed(mask, np.clip(known.values, *limits))


def _has_weights(view: NodeView) -> bool:
    """Whether this rewrite can narrow a node: its weights and bias must be constants."""
    name = view.node.operator
    if name not in (*_MATRICES, "DEPTHWISE_CONV_2D") or view.input(0).constant:
        return False
    if not all(tensor.constant for tensor in view.inputs[1:]) or view.output().dtype != DType.INT8:
        return False
    if name == "DEPTHWISE_CONV_2D":
        return bool(view.options.depth_multiplier == 1)
    return view.input(1).shape[-1] == _depth(view)  # no groups


def _matrix(view: NodeView) -> Array:
    """(output channels, taps, input channels); one input channel if it is depthwise."""
    weights = view.input(1).array().astype(np.int64)
    if view.node.operator == "DEPTHWISE_CONV_2D":
        return weights.reshape(-1, weights.shape[3]).T[:, :, np.newaxis]
    return weights.reshape(weights.shape[0], -1, weights.shape[-1])


def _bias(view: NodeView, channels: int) -> Array:
    return bias_values(view.input(2) if view.has_input(2) else None, channels).astype(np.int64)


def _fixed_sums(view: NodeView, known: _Fixed | None) -> _Fixed:
    """Output channels whose smallest and largest sum become the same byte."""
    image, weights, out = view.input(0), view.input(1), view.output()
    matrix, zero = _matrix(view), zero_point(image)
    channels = len(matrix)
    ends = np.array([-128 - zero, 127 - zero])[:, np.newaxis]
    depthwise = view.node.operator == "DEPTHWISE_CONV_2D"
    reach = np.repeat(ends, _depth(view), axis=1)  # of each input channel, minus its zero point
    if known is not None:
        offset = known.values - zero
        # Outside the image it is zero.
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


def _kept_channels(graph: Graph, fixed: Mapping[int, _Fixed]) -> dict[int, _Kept]:
    """The channels that are kept, for each tensor that loses some.

    Tensors before and after a depthwise convolution or a pooling lose the same channels: those
    whose value after it is always the same. Nothing then needs what feeds them.
    """
    groups = _groups(graph)
    readers: dict[int, list[NodeView]] = {}
    for view in graph.views():
        for tensor in {graph.storage(i) for i in view.node.inputs if i >= 0}:
            readers.setdefault(tensor, []).append(view)
    outputs = {graph.storage(i) for i in graph.outputs}
    removable: dict[int, Array] = {
        group: np.ones(graph.tensors[group].shape[-1], bool) for group in groups.values()
    }
    for tensor, group in groups.items():
        read = [] if tensor in outputs else readers.get(tensor, [])
        removable[group] &= _removable(graph.tensors[tensor], read, fixed)
    kept = {}
    for tensor, group in groups.items():
        constant = removable[group]
        least = -(-int((~constant).sum()) // _MULTIPLE) * _MULTIPLE
        goes = np.flatnonzero(constant)[: max(0, len(constant) - max(least, _MULTIPLE))]
        if len(goes):
            stays = np.setdiff1d(np.arange(len(constant)), goes)
            kept[tensor] = _Kept(stays, len(constant))
    return kept


def _groups(graph: Graph) -> dict[int, int]:
    """Maps each tensor to the first tensor with the same channels, by number."""
    groups: dict[int, int] = {}
    for view in graph.views():
        output = view.node.outputs[0]
        if view.node.operator in _MATRICES and _has_weights(view):
            groups[output] = output
        elif _links(view):
            group = groups.get(graph.storage(view.node.inputs[0]))
            # The input may be viewed in a shape whose channels differ from the written ones.
            if group is not None and graph.tensors[group].shape[-1] == _depth(view):
                groups[output] = group
    return groups


def _links(view: NodeView) -> bool:
    """Whether each channel of the output depends only on the same channel of the input."""
    if view.node.operator == "DEPTHWISE_CONV_2D":
        return _has_weights(view)
    return view.node.operator in _POOLS


def _removable(tensor: Tensor, readers: Sequence[NodeView], fixed: Mapping[int, _Fixed]) -> Array:
    """Channels of a tensor that none of its readers needs; none if it has no readers."""
    channels = tensor.shape[-1]
    none = np.zeros(channels, bool)
    found = np.full(channels, bool(readers))
    for view in readers:
        others = {view.graph.storage(i) for i in view.node.inputs[1:] if i >= 0}
        if tensor.index in others:
            return none
        if _links(view) and _depth(view) == channels:
            continue
        # Rows of the matrix, and of the tensor in its own shape, may contain all channels several
        # times, but not a part of them.
        whole = _depth(view) % channels == view.input(0).shape[-1] % channels == 0
        known = _known(view, fixed) if whole and _has_weights(view) else None
        if known is None or view.node.operator not in _MATRICES:
            return none
        zero = known.values == zero_point(view.input(0))
        unneeded = known.mask & (zero | (not pads(view)))
        found &= unneeded.reshape(-1, channels).all(0)
    return found


def _weights(
    view: NodeView, kept: Mapping[int, _Kept], fixed: Mapping[int, _Fixed], index: int
) -> list[Tensor]:
    """Weights and bias of a node whose input or output has fewer channels; [] if neither has."""
    before = kept.get(view.graph.storage(view.node.inputs[0]))
    after = kept.get(view.node.outputs[0])
    if before is None and after is None:
        return []
    weights = view.input(1)
    depthwise = view.node.operator == "DEPTHWISE_CONV_2D"
    axis = 3 if depthwise else 0
    values = weights.array()
    bias = _bias(view, values.shape[axis])
    known = _known(view, fixed)
    if before is not None and known is not None and not depthwise:
        stays = before.in_rows(_depth(view))
        gone = np.setdiff1d(np.arange(_depth(view)), stays)
        offset = known.values[gone] - zero_point(view.input(0))
        bias = bias + (_matrix(view)[:, :, gone] * offset).sum((1, 2))
        values = values[..., stays]
    first = view.input(2) if view.has_input(2) else _no_bias(view)
    has_bias = view.has_input(2) or bias.any()
    if after is not None:
        values, bias = values.take(after.numbers, axis), bias[after.numbers]
        weights, first = (_selected(tensor, after.numbers) for tensor in (weights, first))
    made = [(weights, values), (first, bias.astype("<i4"))][: 1 + bool(has_bias)]
    return [
        replace(tensor, index=index + i, shape=array.shape, data=array.tobytes())
        for i, (tensor, array) in enumerate(made)
    ]


def _no_bias(view: NodeView) -> Tensor:
    """A bias as TFLM expects it, for an operator without one; its values are not set yet."""
    weights = view.input(1)
    own = quantization(weights)
    scales = tuple(float(np.float32(scale(view.input(0)) * s)) for s in own.scales)
    return replace(weights, dtype=DType.INT32, quantization=Quantization(scales, own.zero_points))


def _selected(tensor: Tensor, channels: Array) -> Tensor:
    """With the scales of only some channels."""
    own = tensor.quantization
    if own is None or not own.per_channel:
        return tensor
    scales, points = own.scales, own.zero_points
    return replace(
        tensor,
        quantization=replace(
            own,
            scales=tuple(scales[i] for i in channels),
            zero_points=tuple(points[i] for i in channels),
        ),
    )
