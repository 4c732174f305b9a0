"""Runs a whole graph with the operators' NumPy references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tflm_ext.ir import DType, Graph, Tensor
from tflm_ext.ops import BY_NAME
from tflm_ext.opslib.base import Array


def initial_state(graph: Graph) -> dict[int, Array]:
    """Return all variable tensors after a reset: int8 tensors at their zero point, others 0."""
    return {i: initial_value(t) for i, t in graph.tensors.items() if t.variable}


def initial_value(tensor: Tensor) -> Array:
    """Return one variable tensor after a reset."""
    fill = 0
    if tensor.dtype is DType.INT8 and tensor.quantization is not None:
        fill = tensor.quantization.zero_points[0]
    return np.full(tensor.shape, fill, tensor.dtype.numpy)


def run_graph(
    graph: Graph, inputs: Sequence[Array], state: Mapping[int, Array] | None = None
) -> dict[int, Array]:
    """Return the values of all tensors in one inference, by number.

    Args:
        inputs: one array per input of the graph, in its shape and type.
        state: variable tensors before the call; None means after a reset. An operator that keeps
            state returns its outputs, followed by the new values of its variable inputs, in order.

    Returns:
        Values of all tensors, including the new values of variables.
    """
    values: dict[int, Array] = dict(initial_state(graph) if state is None else state)
    values.update(zip(graph.inputs, inputs, strict=True))

    def value(i: int) -> Array | None:
        if i < 0:
            return None
        tensor, root = graph.tensors[i], graph.storage(i)
        stored = graph.tensors[root].array() if graph.tensors[root].constant else values[root]
        return stored.reshape(tensor.shape)

    for view in graph.views():
        node = view.node
        results = BY_NAME[node.operator].reference(view, [value(i) for i in node.inputs])
        variables = tuple(i for i in node.inputs if i >= 0 and graph.tensors[i].variable)
        targets = node.outputs + (variables if BY_NAME[node.operator].keeps_state else ())
        values.update(zip(targets, results, strict=True))
    for i in graph.tensors:
        if i not in values and graph.storage(i) in values:
            values[i] = values[graph.storage(i)].reshape(graph.tensors[i].shape)
    return values


def run_outputs(graph: Graph, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Return the outputs of one inference after a reset."""
    values = run_graph(graph, inputs)
    return tuple(
        graph.tensors[i].array() if graph.tensors[i].constant else values[i] for i in graph.outputs
    )
