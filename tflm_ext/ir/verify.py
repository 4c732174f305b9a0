"""Invariants of graphs, which hold between any two stages."""

from __future__ import annotations

from tflm_ext.ir.graph import Graph


def verify_graph(graph: Graph) -> str | None:
    """Describe the first rule that a graph breaks; None if it is well formed.

    Each tensor is written at most once, by one operator, and only if it is not a constant, an input
    or a variable. Operators read only tensors that already have a value. Inputs are distinct;
    outputs are written, or are inputs or constants. An alias counts as the tensor whose bytes it
    shares, and has the same size. All tensor numbers must exist; this is not checked here.
    """
    tensors = graph.tensors

    def label(i: int) -> str:
        return f"tensor {i} {tensors[i].name[:80]!r}"

    if not graph.inputs or not graph.outputs:
        return "the model has no inputs or no outputs"
    if len(set(graph.inputs)) != len(graph.inputs):
        return "two inputs of the model are the same tensor"
    ready = set(graph.inputs)
    for index in graph.inputs:
        if tensors[index].constant or tensors[index].variable:
            return f"the input {label(index)} is a constant or a variable"
    ready |= {i for i, t in tensors.items() if t.constant or t.variable}
    for i, tensor in tensors.items():
        if tensor.alias is not None and tensors[tensor.alias].bytes != tensor.bytes:
            return f"{label(i)} shares the bytes of a tensor with a different size"
    for node in graph.nodes:
        where = f"operator {node.index} {node.operator}"
        if not node.outputs:
            return f"{where} writes nothing"
        for i in node.inputs:
            if i >= 0 and graph.storage(i) not in ready:
                return f"{where} reads {label(i)}, which has not been written"
        for i in node.outputs:  # two outputs of the same operator must differ, too
            if i in ready or tensors[i].alias is not None:
                return f"{where} writes {label(i)}, which already has a value"
            ready.add(i)
    for i in graph.outputs:
        if graph.storage(i) not in ready:
            return f"the output {label(i)} is written by no operator"
    return None
