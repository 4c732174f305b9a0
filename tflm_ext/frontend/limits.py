"""Determines the values that a model's inputs accept: TFLM fails on some, for example in GATHER."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.ir import DType, Graph, Limits, NodeView
from tflm_ext.ir.facts import Port
from tflm_ext.ops import BY_NAME
from tflm_ext.opslib.base import Array

_MAX_INTEGERS = 1 << 20  # far beyond any board's RAM; each element is traced


@dataclass(frozen=True, slots=True)
class _Traced:
    """Where the elements of an int32 tensor come from.

    Attributes:
        origins: for each element, the number of an element of the int32 inputs, numbered across all
            inputs; -1 for elements of constants.
        values: values of elements of constants; 0 for others.
    """

    origins: Array
    values: Array


def input_ports(graph: Graph) -> tuple[Port, ...]:
    """Return the inputs of a checked graph, in order, with the values that they accept."""
    traced = _trace(graph)
    whole = Limits.of(DType.INT32)
    count = sum(graph.tensors[i].elements for i in graph.inputs)
    low, high = np.full(count, whole.low), np.full(count, whole.high)
    for view, place, limits in _limited(graph):
        if (found := traced.get(view.node.inputs[place])) is not None:
            read = found.origins[found.origins >= 0]
            low[read] = np.maximum(low[read], limits.low)
            high[read] = np.minimum(high[read], limits.high)
    ports = []
    for i in graph.inputs:
        tensor = graph.tensors[i]
        each = [Limits.of(tensor.dtype)]
        if i in traced:
            own = traced[i].origins.reshape(-1)
            ends = zip(low[own].tolist(), high[own].tolist(), strict=True)
            each = [Limits(DType.INT32, *pair) for pair in ends]
        ports.append(Port.of(tensor, each))
    return tuple(ports)


def output_ports(graph: Graph) -> tuple[Port, ...]:
    """Return the outputs of a graph, in order."""
    return tuple(Port.of(graph.tensors[i]) for i in graph.outputs)


def check_limits(graph: Graph) -> None:
    """Require that constants which operators move are within the limits of what reads them then.

    Raises:
        UnsupportedModelError: one is not; or there are more integers than can be followed.
    """
    moving = {
        i
        for node in graph.nodes
        if BY_NAME[node.operator].moves(graph.view(node))
        for i in node.outputs
    }
    integers = [graph.tensors[i] for i in {*graph.inputs, *moving}]
    count = sum(t.elements for t in integers if t.dtype is DType.INT32)
    if count > _MAX_INTEGERS:
        raise UnsupportedModelError(
            f"{graph.name}: its integer tensors have {count:,} elements together, but at most "
            f"{_MAX_INTEGERS:,} are supported.",
            "Make the model smaller: fewer positions at a time.",
        )
    traced = _trace(graph)
    for view, place, limits in _limited(graph):
        found = traced.get(view.node.inputs[place])
        view.require(
            found is None or limits.allow(found.values[found.origins < 0]),
            f"constants among its positions are outside {limits.low} to {limits.high}",
            "Give positions from 0 to the size of the axis minus 1.",
        )


def _limited(graph: Graph) -> list[tuple[NodeView, int, Limits]]:
    """The inputs of operators that are limited: node, place and limits."""
    return [
        (view, place, limits)
        for view in graph.views()
        for place in range(view.input_count)
        if (limits := BY_NAME[view.node.operator].limits(view, place)) is not None
    ]


def _trace(graph: Graph) -> Mapping[int, _Traced]:
    """By number the int32 inputs, and the tensors that operators make of them and of constants."""
    found: dict[int, _Traced] = {}
    first = 0
    for i in graph.inputs:
        tensor = graph.tensors[i]
        if tensor.dtype is DType.INT32:
            numbers = np.arange(first, first + tensor.elements).reshape(tensor.shape)
            found[i] = _Traced(numbers, np.zeros(tensor.shape, np.int32))
            first += tensor.elements
    for view in graph.views():
        operator = BY_NAME[view.node.operator]
        moved = operator.moves(view)
        if not moved or view.output().dtype is not DType.INT32:
            continue
        places = range(view.input_count)
        sources = [_source(view, i, found) if view.has_input(i) else None for i in places]
        values = [None if source is None else source.values for source in sources]
        origins = [s.origins if s and i in moved else values[i] for i, s in enumerate(sources)]
        both = (operator.reference(view, arrays) for arrays in (origins, values))
        found.update(zip(view.node.outputs, map(_Traced, *both), strict=True))
    return found


def _source(view: NodeView, place: int, found: Mapping[int, _Traced]) -> _Traced:
    """What is known about an input of an operator that moves int32."""
    tensor = view.input(place)
    if tensor.constant:
        return _Traced(np.full(tensor.shape, -1), tensor.array())
    return found.get(tensor.index) or _Traced(
        np.full(tensor.shape, -1), np.zeros(tensor.shape, np.int32)
    )
