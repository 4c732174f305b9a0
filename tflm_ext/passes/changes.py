"""Describes what a rewrite changed, and why, for `inspect --passes`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tflm_ext.ir import Graph, Node, Tensor


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a rewrite made to one operator or one tensor.

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
    """Return the change of an operator that was removed."""
    return Change("operator", node.index, node.operator, "removed", reason)


def changed(node: Node, reason: str) -> Change:
    """Return the change of an operator with different options or different tensors."""
    return Change("operator", node.index, node.operator, "changed", reason)


def removed_nodes(before: Graph, after: Graph) -> Iterator[Node]:
    """Return the operators that only the first graph has, in execution order."""
    left = {node.index for node in after.nodes}
    return (node for node in before.nodes if node.index not in left)


def changed_nodes(before: Graph, after: Graph) -> Iterator[tuple[Node, Node]]:
    """Return the operators that differ between two graphs, as pairs (before, after)."""
    new = {node.index: node for node in after.nodes}
    pairs = ((node, new.get(node.index, node)) for node in before.nodes)
    return ((old, now) for old, now in pairs if old != now)


def short_name(tensor: Tensor) -> str:
    """Return the first of a tensor's names, which the converter joined; untrusted.

    Example:
        >>> from tflm_ext.ir import DType
        >>> short_name(Tensor(0, "net/conv/Relu;net/conv/BiasAdd", (1, 6), DType.INT8))
        'net/conv/Relu;...'
    """
    first, *others = tensor.name.split(";")
    return f"{first};..." if others else first


def shape_of(tensor: Tensor) -> str:
    """Return a tensor's shape for messages: "1x6x6x4" or "scalar".

    Example:
        >>> from tflm_ext.ir import DType
        >>> shape_of(Tensor(0, "x", (1, 6, 4), DType.INT8))
        '1x6x4'
    """
    return "x".join(map(str, tensor.shape)) or "scalar"
