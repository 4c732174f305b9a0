"""A clamp after an operator with a fused activation becomes that activation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflm_ext.arithmetic import Activation, activation_range
from tflm_ext.ir import Graph, Node, NodeView, Tensor
from tflm_ext.ops import BY_NAME
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import scale, zero_point
from tflm_ext.passes.changes import Change, changed, changed_nodes, removed, removed_nodes
from tflm_ext.passes.edit import uses

_CLAMPS = ("MAXIMUM", "MINIMUM", "RELU", "RELU6", "RELU_N1_TO_1")
_PRODUCERS = (
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "MUL",
    "SUB",
)


def rewrite(graph: Graph) -> Graph:
    """Let operators clamp by themselves if a clamp is the only reader of their output.

    Exact because input and output of the clamp have the same scale and zero point, and because the
    activation maps all 256 int8 values as the two operators did.
    """
    needed = uses(graph)
    writers = {i: node for node in graph.nodes for i in node.outputs}
    nodes: dict[Node, Node | None] = {}
    originals: dict[int, Node] = {}  # of changed producers, by the tensor that they write now
    for clamp in graph.nodes:
        view = graph.view(clamp)
        source = _source(view)
        producer = writers.get(source.index) if source is not None else None
        if source is None or producer is None or producer.operator not in _PRODUCERS:
            continue
        if needed[source.index] != 1:
            continue
        # The producer may itself have been changed in this loop: clamps can form chains.
        activation = _activation(source, producer.options.activation, _table(view))
        if activation is None:
            continue
        fused = replace(
            producer,
            outputs=clamp.outputs,
            options=replace(producer.options, activation=activation),
        )
        original = originals.get(source.index, producer)
        nodes[original], nodes[clamp] = fused, None
        writers[clamp.outputs[0]], originals[clamp.outputs[0]] = fused, original
    changed = (nodes.get(node, node) for node in graph.nodes)
    return replace(graph, nodes=tuple(n for n in changed if n is not None)) if nodes else graph


def explain(before: Graph, after: Graph) -> list[Change]:
    """What rewrite() did to a graph."""
    gone = {node.outputs[0]: node for node in removed_nodes(before, after)}
    found = []
    for old, new in changed_nodes(before, after):
        activation = new.options.activation.name
        found.append(
            changed(new, f"writes the clamped values itself, with activation {activation}")
        )
        tensor = new.outputs[0]
        while tensor != old.outputs[0]:  # from the last clamp of a row back to the first
            clamp = gone[tensor]
            found.append(removed(clamp, f"it is part of {before.view(old).label}"))
            (tensor,) = (i for i in clamp.inputs if i >= 0 and not before.tensors[i].constant)
    return found


def _source(view: NodeView) -> Tensor | None:
    """The computed input of a clamp; None if the node is not a clamp, or requantises."""
    if view.node.operator not in _CLAMPS:
        return None
    computed = [t for t in view.inputs if not t.constant]
    limits = [t for t in view.inputs if t.constant]
    if len(computed) != 1 or any(t.elements != 1 for t in limits):
        return None
    (tensor,), out = computed, view.output()
    same = (tensor.shape, tensor.quantization) == (out.shape, out.quantization)
    return tensor if same else None


def _table(view: NodeView) -> Array:
    """The node's results for -128, -127, ..., 127."""
    levels = np.arange(-128, 128).astype(np.int8)
    shape = (*[1] * max(len(view.output().shape) - 1, 0), 256)
    reshaped = [replace(t, shape=shape) for t in (*view.inputs, view.output()) if not t.constant]
    probe = view.graph.with_tensors(*reshaped).view(view.node)
    values = [t.array() if t.constant else levels.reshape(shape) for t in probe.inputs]
    (result,) = BY_NAME[view.node.operator].reference(probe, values)
    return np.asarray(result).reshape(256)


def _activation(tensor: Tensor, first: Activation, table: Array) -> Activation | None:
    """The activation that equals a first one followed by the table; None if there is none."""
    levels = np.arange(-128, 128)

    def clamped(activation: Activation) -> Array:
        low, high = activation_range(activation, scale(tensor), zero_point(tensor))
        return np.clip(levels, low, high)

    both = table[clamped(first) + 128]
    return next((a for a in Activation if np.array_equal(clamped(a), both)), None)
