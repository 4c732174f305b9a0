"""Small changes of a graph that several rewrites make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from tflm_ext.ir import Graph, Node


def without_nodes(graph: Graph, nodes: Collection[Node]) -> Graph:
    """A copy that lacks some nodes; the very same graph if there are none to remove."""
    if not nodes:
        return graph
    return replace(graph, nodes=tuple(n for n in graph.nodes if n not in nodes))


def uses(graph: Graph) -> Counter[int]:
    """How often the bytes of each tensor are needed, by number of the tensor that owns them.

    Counted are reads by operators, through an alias or not, and outputs of the model.
    """
    needed = [i for node in graph.nodes for i in node.inputs if i >= 0]
    return Counter(graph.storage(i) for i in (*needed, *graph.outputs))
