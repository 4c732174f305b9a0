"""Golden vectors: a few inputs with TFLM's outputs, which every exported project carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.emit.facts import GoldenVector
from tflm_ext.ir import Graph
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm import run_tflm

Array: TypeAlias = np.ndarray[Any, Any]

_COUNT = 8
_BYTES = 48 * 1024


def make_golden(model: bytes, graph: Graph, vectors: Sequence[Array]) -> tuple[GoldenVector, ...]:
    """The first vectors, as many as fit into a board beside the model, at least two.

    Args:
        model: the bytes that TFLM runs.
        vectors: per input an int8 array (vectors, *shape); the user's samples come first.

    Returns:
        Each computed after a reset, so that they can be checked in any order.
    """
    size = sum(graph.tensors[i].bytes for i in (*graph.inputs, *graph.outputs))
    count = max(2, min(_COUNT, _BYTES // size))
    chosen = [column[:count] for column in vectors]
    run = run_tflm(model, chosen, len(graph.outputs), arena_bytes=arena_for(graph), reset_each=True)
    return tuple(
        GoldenVector(
            inputs=tuple(column[i].tobytes() for column in chosen),
            outputs=tuple(column[i].tobytes() for column in run.outputs),
        )
        for i in range(count)
    )
