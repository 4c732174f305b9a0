"""What can be computed now is not computed on the device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflm_ext.ir import Graph, NodeView
from tflm_ext.ops import BY_NAME
from tflm_ext.passes.edit import without_nodes

_MAX_GROWTH_BYTES = 4096
_MAX_MACS = 1 << 24


def rewrite(graph: Graph) -> Graph:
    """Replace operators of which all inputs are constants by what they compute.

    Outputs of the model stay computed. An operator stays, too, where the constant would be much
    larger than what it is made of: it would cost flash, and a small hostile file could grow large.
    """
    folded = set()
    for node in graph.nodes:
        view = graph.view(node)
        if not _foldable(view):
            continue
        operator = BY_NAME[node.operator]
        results = operator.reference(
            view, [graph.tensors[i].array() if i >= 0 else None for i in node.inputs]
        )
        graph = graph.with_tensors(
            *(
                replace(tensor, data=np.asarray(result, tensor.dtype.numpy).tobytes())
                for tensor, result in zip(view.outputs, results, strict=True)
            )
        )
        folded.add(node)
    return without_nodes(graph, folded)


def _foldable(view: NodeView) -> bool:
    operator = BY_NAME[view.node.operator]
    return (
        bool(view.inputs)
        and all(tensor.constant for tensor in view.inputs)
        and not operator.keeps_state
        and not any(i in view.graph.outputs for i in view.node.outputs)
        and sum(t.bytes for t in view.outputs)
        <= sum(t.bytes for t in view.inputs) + _MAX_GROWTH_BYTES
        and operator.macs(view) <= _MAX_MACS
    )
