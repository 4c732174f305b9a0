"""A PAD before a window operator becomes part of that operator's own padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tflm_ext.ir import Graph, Node, NodeView, Tensor
from tflm_ext.ops.common import zero_point
from tflm_ext.ops.padding import border_value, paddings
from tflm_ext.passes.edit import uses, without_nodes

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_INT8_MIN = -128


@dataclass(frozen=True, slots=True)
class _Border:
    """How a PAD looks to an operator that reads its output.

    Attributes:
        shape: of the image without the border, as the reader sees it.
        pads: before and behind, per axis.
    """

    shape: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]


def rewrite(graph: Graph) -> Graph:
    """Remove every PAD of which all readers are window operators that can pad by themselves.

    Exact where what is added counts for nothing: real zero in a convolution, the smallest int8 in
    MAX_POOL_2D. AVERAGE_POOL_2D divides by what it sees, so its border stays.
    """
    for node in graph.nodes:
        if node.operator in ("PAD", "PADV2"):
            graph = _fuse(graph, graph.view(node))
    return graph


def _fuse(graph: Graph, pad: NodeView) -> Graph:
    image, padded = pad.input(), pad.output()
    if image.constant or image.quantization != padded.quantization:
        return graph
    # The readers may see the padded image through aliases, in another shape (Conv1D).
    names = {i for i in graph.tensors if graph.storage(i) == padded.index}
    readers = [node for node in graph.nodes if names.intersection(node.inputs)]
    borders = [_border(graph.view(node), pad) for node in readers]
    if not readers or uses(graph)[padded.index] != len(readers) or None in borders:
        return graph
    replaced: dict[Node, Node] = {}
    for node, border in zip(readers, borders, strict=True):
        assert border is not None
        (top, bottom), (left, right) = border.pads[1:3]
        a, b, c, d = node.options.border
        seen = _seen(graph, image, graph.tensors[node.inputs[0]], border.shape)
        graph = graph.with_tensors(seen)
        replaced[node] = replace(
            node,
            inputs=(seen.index, *node.inputs[1:]),
            options=replace(node.options, border=(a + top, b + bottom, c + left, d + right)),
        )
    nodes = tuple(replaced.get(node, node) for node in graph.nodes)
    return without_nodes(replace(graph, nodes=nodes), {pad.node})


def _seen(graph: Graph, image: Tensor, padded: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The image in the shape in which a reader wants it: itself, or a new alias."""
    if image.shape == shape:
        return image
    root = graph.storage(image.index)
    return replace(
        image, index=graph.next_tensor_index(), name=padded.name, shape=shape, alias=root
    )


def _border(reader: NodeView, pad: NodeView) -> _Border | None:
    """What the reader would have to add by itself, None where that is not exact."""
    value = border_value(pad)
    exact = (reader.node.operator in _CONVOLUTIONS and value == zero_point(pad.input())) or (
        reader.node.operator == "MAX_POOL_2D" and value == _INT8_MIN
    )
    if not exact or reader.input().quantization != pad.input().quantization:
        return None
    border = _in_shape(reader.input().shape, pad)
    if border is None or border.pads[0] != (0, 0) or border.pads[3] != (0, 0):
        return None
    return border


def _in_shape(shape: tuple[int, ...], pad: NodeView) -> _Border | None:
    """The pads along the axes of another shape of the padded image, None if they do not match.

    Both shapes must have the same axes longer than 1 in the same order.
    """
    if len(shape) != 4:
        return None
    axes = [
        (size, *pads)
        for size, pads in zip(pad.input().shape, paddings(pad), strict=True)
        if size + sum(pads) > 1
    ]
    sizes, found = [], []
    for length in shape:
        size, before, behind = axes.pop(0) if length > 1 and axes else (1, 0, 0)
        if size + before + behind != length:
            return None
        sizes.append(size)
        found.append((before, behind))
    return None if axes else _Border(tuple(sizes), tuple(found))
