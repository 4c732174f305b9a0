"""Golden vectors: a few inputs with TFLM's outputs, which every exported project carries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.ir import Graph
from tflm_ext.ir.facts import GoldenVector
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm import run_tflm

Array: TypeAlias = np.ndarray[Any, Any]

_COUNT = 8
_BYTES = 48 * 1024


def make_golden(model: bytes, graph: Graph, vectors: Sequence[Array]) -> tuple[GoldenVector, ...]:
    """The first vectors, as many as fit into a board beside the model, at least two if given.

    Args:
        model: the bytes that TFLM runs.
        vectors: per input an int8 array (vectors, *shape); the user's samples come first.

    Returns:
        Each computed after a reset, so that they can be checked in any order.
    """
    size = sum(graph.tensors[i].bytes for i in (*graph.inputs, *graph.outputs))
    count = min(len(vectors[0]), max(2, min(_COUNT, _BYTES // size)))
    chosen = [column[:count] for column in vectors]
    run = run_tflm(model, chosen, len(graph.outputs), arena_bytes=arena_for(graph), reset_each=True)
    return tuple(
        GoldenVector(
            inputs=tuple(column[i].tobytes() for column in chosen),
            outputs=tuple(column[i].tobytes() for column in run.outputs),
        )
        for i in range(count)
    )


def read_golden(text: str, sizes: Sequence[int], inputs: int) -> tuple[GoldenVector, ...]:
    """The golden vectors that lie in a C file of an exported project, in their order.

    Args:
        text: of test/test_model/golden_vectors.c, src/golden.h or the example's sample.h.
        sizes: bytes of every input, then of every output.
        inputs: how many of them are inputs.

    Returns:
        None of them if the file has no tables of these sizes.
    """
    columns: dict[str, list[bytes]] = {}
    for name, body in re.findall(r"static const int8_t (\w+)(?:\[\w+\])+ = \{([^;]*)\};", text):
        numbers = [int(number) for number in re.findall(r"-?\d+", body)]
        if not all(-128 <= number < 128 for number in numbers):
            return ()
        port = re.search(r"(?:input|output)\d+$", name)
        columns.setdefault(port[0] if port else name, []).append(
            np.array(numbers, np.int8).tobytes()
        )
    names = [f"input{i}" for i in range(inputs)]
    names += [f"output{i}" for i in range(len(sizes) - inputs)]
    if set(columns) != set(names):
        return ()
    tables = [b"".join(columns[name]) for name in names]
    count = len(tables[0]) // sizes[0]
    if [len(table) for table in tables] != [size * count for size in sizes]:
        return ()
    rows = [
        tuple(table[v * size : (v + 1) * size] for table, size in zip(tables, sizes, strict=True))
        for v in range(count)
    ]
    return tuple(GoldenVector(row[:inputs], row[inputs:]) for row in rows)
