"""Computes values that do not depend on the model's inputs during the export."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflm_ext.ir import Graph, NodeView, Tensor
from tflm_ext.ops import BY_NAME
from tflm_ext.passes.changes import Change, removed, removed_nodes
from tflm_ext.passes.edit import without_nodes

_MAX_GROWTH_BYTES = 4096
_MAX_BYTES = 1 << 16
_MAX_MACS = 1 << 24


def rewrite(graph: Graph) -> Graph:
    """Replace operators whose inputs are all constant with their results.

    Outputs of the model stay computed. An operator also stays if the constant would be much larger
    than its inputs: it would cost flash, and a small hostile file could grow large.
    """
    constants = {i: tensor for i, tensor in graph.tensors.items() if tensor.constant}
    outputs = set(graph.outputs)
    computed: list[Tensor] = []
    folded = set()
    for node in graph.nodes:
        read = [i for i in node.inputs if i >= 0]
        if not outputs.isdisjoint(node.outputs) or any(i not in constants for i in read):
            continue
        own = {i: constants.get(i, graph.tensors[i]) for i in (*read, *node.outputs)}
        view = replace(graph, tensors=own).view(node)  # few tensors: such nodes form long chains
        if _foldable(view):
            results = _compute(view)
            constants.update((tensor.index, tensor) for tensor in results)
            computed += results
            folded.add(node)
    return without_nodes(graph.with_tensors(*computed), folded)


def explain(before: Graph, after: Graph) -> list[Change]:
    """What rewrite() did to a graph."""
    found = []
    for node in removed_nodes(before, after):
        size = sum(before.tensors[i].bytes for i in node.outputs)
        reason = f"all its inputs are constants, so its result is constant ({size:,} bytes)"
        found.append(removed(node, reason))
    return found


def _compute(view: NodeView) -> list[Tensor]:
    """The outputs of an operator as constants."""
    inputs = [view.graph.tensors[i].array() if i >= 0 else None for i in view.node.inputs]
    results = BY_NAME[view.node.operator].reference(view, inputs)
    return [
        replace(tensor, data=np.asarray(result, tensor.dtype.numpy).tobytes())
        for tensor, result in zip(view.outputs, results, strict=True)
    ]


def _foldable(view: NodeView) -> bool:
    """Whether an operator with only constant inputs is worth computing now."""
    operator = BY_NAME[view.node.operator]
    return (
        bool(view.inputs)
        and not operator.keeps_state
        and sum(t.bytes for t in view.outputs)
        <= min(sum(t.bytes for t in view.inputs) + _MAX_GROWTH_BYTES, _MAX_BYTES)
        and operator.macs(view) <= _MAX_MACS
    )
