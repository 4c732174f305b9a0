"""The inputs on which TensorFlow Lite Micro has an answer: its SOFTMAX stops the program on some.

A row of SOFTMAX whose exponentials add up to 512 or more ends TFLM's reference kernel in abort(),
on the device as here; docs/reference/operators.md says what the C gives there. Such inputs cannot
be compared. They are left out only if both agree: the interpreter stopped, and the operators' NumPy
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
    """Which inputs TFLM computes, one after the other, those that it does not left out.

    Costs nothing for a graph without a SOFTMAX over 512 or more values.

    Args:
        model: bytes of the .tflite.
        graph: as read from them.
        inputs: per input of the model, an array (vectors, *shape).
        reset_each: put the state of recurrent operators back before each vector.

    Returns:
        A bool for each vector.

    Raises:
        ToolError: the interpreter crashed for another reason.
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
    """The inputs that TFLM computes both one after the other and each after a reset.

    Returns:
        Per input of the model an array (vectors, *shape), and how many vectors were left out.

    Raises:
        UnsupportedModelError: TFLM computes none of them.
    """
    kept = tuple(inputs)
    for reset_each in (True, False):
        chosen = computable(model, graph, kept, reset_each=reset_each)
        if not chosen.any():
            raise nothing_computed("input that was tried")
        kept = tuple(column[chosen] for column in kept)
    return kept, len(inputs[0]) - len(kept[0])


def nothing_computed(what: str) -> UnsupportedModelError:
    """The refusal of a model of which nothing can be compared."""
    return UnsupportedModelError(
        f"TensorFlow Lite Micro stops the program in SOFTMAX on every {what}: the exponentials of "
        f"a row add up to {STOPPING_SUM} or more.",
        "Train the model, so that its classes differ, or leave the softmax out of it.",
    )


def left_out(count: int, total: int, what: str) -> str:
    """The sentence of a report on inputs that were left out."""
    return (
        f"TensorFlow Lite Micro stops the program in SOFTMAX on {count} of {total} {what}, whose "
        f"exponentials add up to {STOPPING_SUM} or more: these were left out."
    )


def _softmaxes(graph: Graph) -> list[NodeView]:
    return [view for view in graph.views() if view.node.operator == "SOFTMAX"]


def _has_wide_softmax(graph: Graph) -> bool:
    return any(view.inputs[0].shape[-1:] >= (STOPPING_SUM,) for view in _softmaxes(graph))


def _stops_somewhere(crash: InterpreterCrash) -> ToolError:
    """Of a model with operators that only TFLM computes: why it stopped cannot be proven."""
    return ToolError(
        crash.problem,
        f"A SOFTMAX over {STOPPING_SUM} or more values stops it where they are almost equal: train "
        "the model, or leave the softmax out of it.",
        command=crash.command,
        output=crash.output,
    )


def _stopped(graph: Graph, inputs: Sequence[Array], reset_each: bool) -> Array:
    """The vectors on which a SOFTMAX finds such a row; they leave the state as it was."""
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
