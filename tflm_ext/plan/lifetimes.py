"""Lifetimes of tensors and scratch memory, and which of them may overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tflm_ext.ir import Graph, Node
from tflm_ext.kernels import KernelCall, Scratch
from tflm_ext.plan.arena import Buffer, Overlay, aligned, alive_bytes, shared_bytes
from tflm_ext.plan.overlap import first_clash, lead


def buffers(graph: Graph, calls: Sequence[KernelCall]) -> list[Buffer]:
    """Return everything in the arena: tensors in the order of their creation, then scratch."""
    first, last = _births_and_deaths(graph)
    overlays: dict[int, list[Overlay]] = {}
    for node, call in zip(graph.nodes, calls, strict=True):
        for tensor, overlay in _overlays(graph, node, call):
            overlays.setdefault(tensor, []).append(overlay)
    found = [
        Buffer(
            ("tensor", i),
            graph.tensors[i].bytes,
            step,
            max(last.get(i, step), step),
            tuple(overlays.get(i, ())),
        )
        for i, step in first.items()
        if not graph.tensors[i].constant
    ]
    for i, call in enumerate(calls):
        found.extend(
            Buffer(("scratch", i, j), a.bytes, i, i)
            for j, a in enumerate(call.arguments)
            if isinstance(a, Scratch)
        )
    return found


class Lifetimes:
    """Tensors that are alive at each operator; independent of the choice of kernels."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        nothing = KernelCall((), ())
        tensors = buffers(graph, [nothing] * len(graph.nodes))
        self._buffers = {b.key: b for b in tensors}
        self._alive = alive_bytes(tensors)

    def bytes_at(self, step: int, call: KernelCall) -> int:
        """Return the bytes alive while an operator runs, minus those that may overlap."""
        overlays: dict[int, list[Overlay]] = {}
        for tensor, overlay in _overlays(self._graph, self._graph.nodes[step], call):
            other = self._buffers.get(overlay.key)
            if other is not None and other.last == step:
                overlays.setdefault(tensor, []).append(overlay)
        saved = sum(
            shared_bytes(replace(self._buffers["tensor", t], overlays=tuple(own)), self._buffers)
            for t, own in overlays.items()
        )
        scratch = sum(aligned(a.bytes) for a in call.arguments if isinstance(a, Scratch))
        return self._alive[step + 1] - saved + scratch


def _births_and_deaths(graph: Graph) -> tuple[dict[int, int], dict[int, int]]:
    """Return for each tensor the step that writes it (-1: before all), and the last to read it."""
    end = len(graph.nodes)
    first: dict[int, int] = {graph.storage(i): -1 for i in graph.inputs}
    last: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            if tensor >= 0:
                last[graph.storage(tensor)] = i
        for tensor in node.outputs:
            first[tensor] = i
    for i in (i for i, t in graph.tensors.items() if t.variable):
        first[i], last[i] = -1, end
    for i in graph.outputs:
        last[graph.storage(i)] = end
    return first, last


def _overlays(graph: Graph, node: Node, call: KernelCall) -> list[tuple[int, Overlay]]:
    """Return the outputs of an operator that may overlap with inputs, and how."""
    found = []
    for times in call.times:
        if times.anywhere or first_clash(times, 0) is None:
            root = graph.storage(node.inputs[times.input])
            ahead = lead(times) if times.anywhere else None
            found.append((node.outputs[0], Overlay(("tensor", root), ahead)))
    return found
