"""Unused tensors are neither computed nor kept."""

from __future__ import annotations

from dataclasses import replace

from tflm_ext.ir import Graph
from tflm_ext.ops import BY_NAME
from tflm_ext.passes.changes import Change, removed, removed_nodes
from tflm_ext.passes.edit import without_nodes


def rewrite(graph: Graph) -> Graph:
    """Remove operators whose outputs are all unused, and then tensors that nothing refers to.

    Operators with state are kept: their variables may be read elsewhere.
    """
    used = {graph.storage(i) for i in graph.outputs}
    unused = set()
    for node in reversed(graph.nodes):
        if used.isdisjoint(node.outputs) and not BY_NAME[node.operator].keeps_state:
            unused.add(node)
        else:
            used.update(graph.storage(i) for i in node.inputs if i >= 0)
    graph = without_nodes(graph, unused)
    named = {*graph.inputs, *graph.outputs}
    for node in graph.nodes:
        named.update(node.inputs, node.outputs, node.intermediates)
    named.update([graph.storage(i) for i in named if i >= 0])
    tensors = {i: t for i, t in graph.tensors.items() if i in named}
    return graph if len(tensors) == len(graph.tensors) else replace(graph, tensors=tensors)


def explain(before: Graph, after: Graph) -> list[Change]:
    """What rewrite() did to a graph."""
    nodes = [removed(node, "nothing reads its output") for node in removed_nodes(before, after)]
    gone = (t for i, t in before.tensors.items() if t.constant and i not in after.tensors)
    return [
        *nodes,
        *(
            Change("tensor", t.index, t.name, "removed", f"nothing reads its {t.bytes:,} bytes")
            for t in gone
        ),
    ]
