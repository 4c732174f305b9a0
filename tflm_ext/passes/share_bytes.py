"""Operators that only rename bytes need no code: their output shares the input's bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tflm_ext.ir import Graph, NodeView
from tflm_ext.passes.changes import Change, removed, removed_nodes, short_name
from tflm_ext.passes.edit import without_nodes


def rewrite(graph: Graph) -> Graph:
    """Make the outputs of operators that neither move nor change bytes aliases of their inputs.

    Chains of them, like several RESHAPE, become aliases of the first tensor.
    """
    aliases: dict[int, int] = {}
    removed = set()
    for node in graph.nodes:
        source = _source(graph.view(node))
        if source is None:
            continue
        read = graph.storage(node.inputs[source])
        root = graph.tensors[aliases.get(read, read)]
        # Constants are not in the arena, and a variable may change while its alias is in use.
        if root.constant or root.variable:
            continue
        (output,) = node.outputs
        aliases[output] = root.index
        removed.add(node)
    tensors = [replace(graph.tensors[i], alias=root) for i, root in aliases.items()]
    return without_nodes(graph.with_tensors(*tensors), removed)


def explain(before: Graph, after: Graph) -> list[Change]:
    """What rewrite() did to a graph."""
    found = []
    for node in removed_nodes(before, after):
        root = after.tensors[after.storage(node.outputs[0])]
        reason = f"its output has the same bytes as tensor {root.index} {short_name(root)}"
        found.append(removed(node, reason))
    return found


def _source(view: NodeView) -> int | None:
    """Return the input whose bytes equal the output's; None if there is none."""
    rule = _RULES.get(view.node.operator)
    return None if rule is None or view.output_count != 1 else rule(view)


def _always(view: NodeView) -> int | None:
    return 0


def _same_size(view: NodeView) -> int | None:
    """Check operators that copy a part of the input, or the input with padding around it."""
    return 0 if view.input().elements == view.output().elements else None


def _same_numbers(view: NodeView) -> int | None:
    a, b = view.input(), view.output()
    return 0 if (a.dtype, a.quantization) == (b.dtype, b.quantization) else None


def _strided_slice(view: NodeView) -> int | None:
    strides = view.input(3)
    forward = strides.constant and bool((strides.array() > 0).all())
    return _same_size(view) if forward else None


def _transpose(view: NodeView) -> int | None:
    """Check that the axes longer than 1 keep their order."""
    permutation, shape = view.input(1), view.input().shape
    if not permutation.constant:
        return None
    moved = [axis % len(shape) for axis in permutation.array().ravel().tolist()]
    long = [axis for axis in moved if shape[axis] > 1]
    return 0 if long == sorted(long) else None


def _only_input(view: NodeView) -> int | None:
    return _same_numbers(view) if view.input_count == 1 else None


def _split(view: NodeView) -> int | None:
    return 1


_RULES: Mapping[str, Callable[[NodeView], int | None]] = {
    "CONCATENATION": _only_input,
    "EXPAND_DIMS": _always,
    "PACK": _only_input,
    "PAD": _same_size,
    "PADV2": _same_size,
    "QUANTIZE": _same_numbers,
    "RESHAPE": _always,
    "SLICE": _same_size,
    "SPLIT": _split,
    "SPLIT_V": _always,
    "SQUEEZE": _always,
    "STRIDED_SLICE": _strided_slice,
    "TRANSPOSE": _transpose,
    "UNPACK": _always,
}
