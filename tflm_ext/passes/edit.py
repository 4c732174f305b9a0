"""Small changes of a graph that several rewrites make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from tflm_ext.ir import Graph, Node


def without_nodes(graph: Graph, nodes: Collection[Node]) -> Graph:
    """A copy without some nodes; the same object if there are none to remove."""
    if not nodes:
        return graph
    return replace(graph, nodes=tuple(n for n in graph.nodes if n not in nodes))


def uses(graph: Graph) -> Counter[int]:
    """How often the bytes of each tensor are used, by number of the tensor that owns them.

    Counts reads by operators, directly or through an alias, and outputs of the model.
    """
    needed = [i for node in graph.nodes for i in node.inputs if i >= 0]
    return Counter(graph.storage(i) for i in (*needed, *graph.outputs))
