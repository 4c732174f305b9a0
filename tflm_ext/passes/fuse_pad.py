"""A PAD before a window operator becomes part of that operator's own padding."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from tflm_ext.ir import Graph, Node, NodeView, Tensor
from tflm_ext.opslib.common import zero_point
from tflm_ext.opslib.padding import border_value, paddings
from tflm_ext.passes.changes import Change, changed, changed_nodes, removed, removed_nodes
from tflm_ext.passes.edit import uses, without_nodes

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_INT8_MIN = -128


@dataclass(frozen=True, slots=True)
class _Border:
    """The padding of a PAD, as an operator that reads its output sees it.

    Attributes:
        shape: of the image without padding, as the reader sees it.
        pads: before and after, per axis.
    """

    shape: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]


def rewrite(graph: Graph) -> Graph:
    """Remove every PAD whose readers are all window operators that can pad by themselves.

    Exact if the padding has no effect: real zero in a convolution, the smallest int8 in
    MAX_POOL_2D. AVERAGE_POOL_2D divides by the number of values it sees, so its PAD stays.
    """
    # Readers may see the padded image through aliases, in a different shape (Conv1D).
    readers: dict[int, dict[Node, None]] = {}
    for node in graph.nodes:
        for i in node.inputs:
            if i >= 0:
                readers.setdefault(graph.storage(i), {})[node] = None
    needed = uses(graph)
    new: list[Tensor] = []
    replaced: dict[Node, Node] = {}
    removed = set()
    for node in graph.nodes:
        if node.operator in ("PAD", "PADV2"):
            pad, own = graph.view(node), readers.get(node.outputs[0], ())
            borders = _borders(pad, own) if needed[node.outputs[0]] == len(own) else None
            for reader, border in (borders or {}).items():
                seen = _seen(pad, reader, border.shape, graph.next_tensor_index() + len(new))
                new += [seen] if seen.index not in graph.tensors else []
                replaced[reader] = _with_border(reader, seen, border)
                removed.add(node)
    nodes = tuple(replaced.get(node, node) for node in graph.nodes)
    return without_nodes(replace(graph.with_tensors(*new), nodes=nodes), removed)


def explain(before: Graph, after: Graph) -> list[Change]:
    """What rewrite() did to a graph."""
    changes = list(changed_nodes(before, after))
    found = []
    for pad in removed_nodes(before, after):
        readers = (n for n, _ in changes if before.storage(n.inputs[0]) == pad.outputs[0])
        names = " and ".join(before.view(n).label for n in readers)
        found.append(removed(pad, f"the same padding is part of {names}"))
    for old, new in changes:
        pads = (now - was for was, now in zip(old.options.border, new.options.border, strict=True))
        top, bottom, left, right = pads
        reason = f"adds the padding itself: {top} above, {bottom} below, {left} left, {right} right"
        found.append(changed(new, reason))
    return found


def _borders(pad: NodeView, readers: Collection[Node]) -> dict[Node, _Border] | None:
    """The padding that every reader of a PAD would have to add itself; None if one cannot."""
    image = pad.input()
    if image.constant or image.quantization != pad.output().quantization:
        return None
    found = {node: _border(pad.graph.view(node), pad) for node in readers}
    exact = {node: border for node, border in found.items() if border is not None}
    return exact if len(exact) == len(found) else None


def _with_border(node: Node, image: Tensor, border: _Border) -> Node:
    """A window operator that reads the image without padding, and adds the padding itself."""
    (top, bottom), (left, right) = border.pads[1:3]
    a, b, c, d = node.options.border
    return replace(
        node,
        inputs=(image.index, *node.inputs[1:]),
        options=replace(node.options, border=(a + top, b + bottom, c + left, d + right)),
    )


def _seen(pad: NodeView, reader: Node, shape: tuple[int, ...], index: int) -> Tensor:
    """The image in the shape that a reader expects: itself, or a new alias."""
    image, name = pad.input(), pad.graph.tensors[reader.inputs[0]].name
    if image.shape == shape:
        return image
    root = pad.graph.storage(image.index)
    return replace(image, index=index, name=name, shape=shape, alias=root)


def _border(reader: NodeView, pad: NodeView) -> _Border | None:
    """The padding that the reader would have to add itself; None if that is not exact."""
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
    """Return the pads in a different shape of the padded image; None if the axes do not match.

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
