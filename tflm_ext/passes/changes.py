"""What a rewrite did to operators and tensors, and why, for people who ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tflm_ext.ir import Graph, Node, Tensor


@dataclass(frozen=True, slots=True)
class Change:
    """What a rewrite did to one operator or one tensor.

    Attributes:
        kind: "operator" or "tensor".
        number: in the .tflite.
        name: the operator's, like "CONV_2D", or the tensor's; untrusted.
        what: "removed" or "changed".
        reason: why, or how; names of tensors in it are untrusted.
        channels: the channels that a tensor lost.
    """

    kind: str
    number: int
    name: str
    what: str
    reason: str
    channels: tuple[int, ...] = ()


def removed(node: Node, reason: str) -> Change:
    """An operator that is gone."""
    return Change("operator", node.index, node.operator, "removed", reason)


def changed(node: Node, reason: str) -> Change:
    """An operator that computes something else, or reads or writes other tensors."""
    return Change("operator", node.index, node.operator, "changed", reason)


def removed_nodes(before: Graph, after: Graph) -> Iterator[Node]:
    """The operators that only the first graph has, in their order."""
    left = {node.index for node in after.nodes}
    return (node for node in before.nodes if node.index not in left)


def changed_nodes(before: Graph, after: Graph) -> Iterator[tuple[Node, Node]]:
    """The operators that both graphs have, but not with equal content; as they were and are."""
    new = {node.index: node for node in after.nodes}
    pairs = ((node, new.get(node.index, node)) for node in before.nodes)
    return ((old, now) for old, now in pairs if old != now)


def short_name(tensor: Tensor) -> str:
    """The first of the names that the converter joined for a tensor; untrusted.

    Example:
        >>> from tflm_ext.ir import DType
        >>> short_name(Tensor(0, "net/conv/Relu;net/conv/BiasAdd", (1, 6), DType.INT8))
        'net/conv/Relu;...'
    """
    first, *others = tensor.name.split(";")
    return f"{first};..." if others else first


def shape_of(tensor: Tensor) -> str:
    """A shape as messages print it: "1x6x6x4", "scalar".

    Example:
        >>> from tflm_ext.ir import DType
        >>> shape_of(Tensor(0, "x", (1, 6, 4), DType.INT8))
        '1x6x4'
    """
    return "x".join(map(str, tensor.shape)) or "scalar"
