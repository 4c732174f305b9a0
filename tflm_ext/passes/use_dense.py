"""A convolution whose filter covers its whole input becomes a dense layer, which costs less."""

from __future__ import annotations

from dataclasses import replace

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.ir import Graph, Node, NodeView, Tensor
from tflm_ext.ops.conv_2d import Conv2DOptions, axes_of
from tflm_ext.ops.fully_connected import OPERATOR, FullyConnectedOptions
from tflm_ext.passes.changes import Change, changed, changed_nodes


def rewrite(graph: Graph) -> Graph:
    """Replace every CONV_2D that computes one value per filter, of the whole image, without border.

    Exact: the same products are added in the same order of the bytes, and both operators round in
    the same way. Streaming models, whose window moves outside the model, end in such convolutions.
    """
    replaced: dict[Node, Node] = {}
    matrices: dict[int, Tensor] = {}
    for node in graph.nodes:
        if node.operator != "CONV_2D" or not _covers(graph.view(node)):
            continue
        weights = graph.tensors[node.inputs[1]]
        matrix = matrices.get(weights.index) or replace(
            weights,
            index=graph.next_tensor_index() + len(matrices),
            shape=(weights.shape[0], weights.elements // weights.shape[0]),
        )
        options: Conv2DOptions = node.options
        dense = replace(
            node,
            operator=OPERATOR.name,
            inputs=(node.inputs[0], matrix.index, *node.inputs[2:]),
            options=FullyConnectedOptions(options.activation, shuffled=False),
        )
        if _allowed(graph.with_tensors(matrix), dense):
            replaced[node] = dense
            matrices[weights.index] = matrix
    if not replaced:
        return graph
    nodes = tuple(replaced.get(node, node) for node in graph.nodes)
    return replace(graph.with_tensors(*matrices.values()), nodes=nodes)


def explain(before: Graph, after: Graph) -> list[Change]:
    """What rewrite() did to a graph."""
    reason = "its filter covers its whole input, so it runs as FULLY_CONNECTED"
    return [changed(old, reason) for old, _ in changed_nodes(before, after)]


def _covers(view: NodeView) -> bool:
    """Whether each filter has one window, which is the whole image and all of its channels."""
    image, weights = view.input(0), view.input(1)
    whole = all(
        axis.out == 1
        and axis.window == axis.size
        and axis.before == 0
        and (axis.dilation == 1 or axis.window == 1)
        for axis in axes_of(view)
    )
    return whole and weights.shape[3] == image.shape[3]


def _allowed(graph: Graph, node: Node) -> bool:
    """Whether FULLY_CONNECTED takes these tensors; its sums may be larger."""
    try:
        OPERATOR.check(graph.view(node))
    except UnsupportedModelError:
        return False
    return True
