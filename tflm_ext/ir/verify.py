"""What holds for every graph, between any two stages."""

from __future__ import annotations

from tflm_ext.ir.graph import Graph


def verify_graph(graph: Graph) -> str | None:
    """The first rule that a graph breaks, None if it is well formed.

    Every tensor number exists; a tensor is written once, by one operator, and is then no constant,
    no input and no variable; operators read only what is there when they run; inputs are distinct,
    and outputs are written or are inputs or constants. An alias stands for the
    tensor whose bytes it shares, and both have the same number of bytes.
    """
    tensors = graph.tensors

    def label(i: int) -> str:
        return f"tensor {i} {tensors[i].name[:80]!r}"

    if not graph.inputs or not graph.outputs:
        return "the model has no inputs or no outputs"
    if len(set(graph.inputs)) != len(graph.inputs):
        return "two inputs of the model are one tensor"
    ready = set(graph.inputs)
    for index in graph.inputs:
        if tensors[index].constant or tensors[index].variable:
            return f"the input {label(index)} is a constant or a variable"
    ready |= {i for i, t in tensors.items() if t.constant or t.variable}
    for i, tensor in tensors.items():
        if tensor.alias is not None and tensors[tensor.alias].bytes != tensor.bytes:
            return f"{label(i)} shares the bytes of a tensor of another size"
    for node in graph.nodes:
        where = f"operator {node.index} {node.operator}"
        if not node.outputs:
            return f"{where} writes nothing"
        for i in node.inputs:
            if i >= 0 and graph.storage(i) not in ready:
                return f"{where} reads {label(i)}, which nothing wrote before"
        for i in node.outputs:  # of one operator, too, no two may be the same tensor
            if i in ready or tensors[i].alias is not None:
                return f"{where} writes {label(i)}, which is there already"
            ready.add(i)
    for i in graph.outputs:
        if graph.storage(i) not in ready:
            return f"the output {label(i)} is written by no operator"
    return None
