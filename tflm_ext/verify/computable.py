"""Finds the inputs that TensorFlow Lite Micro can compute: on some, its SOFTMAX aborts.

If the exponentials of a row add up to 512 or more, TFLM's reference kernel calls abort(), here and
on the device; docs/reference/operators.md describes the result of the C. Such inputs cannot be
compared. They are left out only if the interpreter aborted and, in addition, the operators' NumPy
references find such a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import ToolError, UnsupportedModelError
from tflm_ext.ir import Graph, NodeView
from tflm_ext.ops.softmax import STOPPING_SUM, SoftmaxOptions, stops_tflm
from tflm_ext.reference import initial_state, run_graph
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm import InterpreterCrash, run_tflm

Array: TypeAlias = np.ndarray[Any, Any]


def computable(
    model: bytes, graph: Graph, inputs: Sequence[Array], *, reset_each: bool = False
) -> Array:
    """Return which inputs TFLM can compute, one after another, without those that it cannot.

    Does nothing for a graph without a SOFTMAX over 512 or more values.

    Args:
        model: bytes of the .tflite.
        graph: as read from these bytes.
        inputs: an array (vectors, *shape) for each input of the model.
        reset_each: reset the state of recurrent operators before each vector.

    Returns:
        A bool for each vector.

    Raises:
        ToolError: the interpreter crashed for a different reason.
    """
    everything = np.ones(len(inputs[0]), bool)
    if not _has_wide_softmax(graph):
        return everything
    try:
        run_tflm(
            model,
            inputs,
            len(graph.outputs),
            arena_bytes=arena_for(graph),
            reset_each=reset_each,
        )
    except InterpreterCrash as crash:
        if crash.vector is None:
            raise
        if not all(isinstance(view.options, SoftmaxOptions) for view in _softmaxes(graph)):
            raise _stops_somewhere(crash) from crash
        stopped = _stopped(graph, inputs, reset_each)
        if not stopped[crash.vector] or stopped[: crash.vector].any():
            raise
        return ~stopped
    return everything


def keep_computable(
    model: bytes, graph: Graph, inputs: Sequence[Array]
) -> tuple[tuple[Array, ...], int]:
    """Return the inputs that TFLM can compute both one after another and each after a reset.

    Returns:
        An array (vectors, *shape) for each input of the model; the number of vectors left out.

    Raises:
        UnsupportedModelError: TFLM computes none of them.
    """
    kept = tuple(inputs)
    for reset_each in (True, False):
        chosen = computable(model, graph, kept, reset_each=reset_each)
        if not chosen.any():
            raise nothing_computed("tested input")
        kept = tuple(column[chosen] for column in kept)
    return kept, len(inputs[0]) - len(kept[0])


def nothing_computed(what: str) -> UnsupportedModelError:
    """Return the error for a model on which nothing can be compared."""
    return UnsupportedModelError(
        f"TensorFlow Lite Micro aborts in SOFTMAX on every {what}, because the exponentials of a "
        f"row add up to {STOPPING_SUM} or more.",
        "Train the model until its classes differ, or remove the softmax.",
    )


def left_out(count: int, total: int, what: str) -> str:
    """Return the sentence about inputs that were left out, for the report."""
    return (
        f"TensorFlow Lite Micro aborts in SOFTMAX on {count:,} of {total:,} {what}, whose "
        f"exponentials add up to {STOPPING_SUM} or more; these were left out."
    )


def _softmaxes(graph: Graph) -> list[NodeView]:
    return [view for view in graph.views() if view.node.operator == "SOFTMAX"]


def _has_wide_softmax(graph: Graph) -> bool:
    return any(view.inputs[0].shape[-1:] >= (STOPPING_SUM,) for view in _softmaxes(graph))


def _stops_somewhere(crash: InterpreterCrash) -> ToolError:
    """Return the error for a model with operators that have no reference to find the cause."""
    return ToolError(
        crash.problem,
        f"A SOFTMAX over {STOPPING_SUM} or more values aborts if they are almost equal; train the "
        "model, or remove the softmax.",
        command=crash.command,
        output=crash.output,
    )


def _stopped(graph: Graph, inputs: Sequence[Array], reset_each: bool) -> Array:
    """Return the vectors on which a SOFTMAX aborts; they do not change the state."""
    state = initial_state(graph)
    stopped = []
    for vector in zip(*inputs, strict=True):
        values = run_graph(graph, vector, None if reset_each else state)
        found = any(
            stops_tflm(view, t.array() if t.constant else values[t.index])
            for view in _softmaxes(graph)
            for t in (view.input(0),)
        )
        stopped.append(found)
        if not found:
            state = {i: values[i] for i in state}
    return np.array(stopped, bool)
