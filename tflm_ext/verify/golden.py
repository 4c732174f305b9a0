"""Golden vectors: a few inputs with TFLM's outputs, which are part of every exported project."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.emit.escape import INT32_MIN
from tflm_ext.errors import VerificationError
from tflm_ext.ir import Graph, Limits
from tflm_ext.ir.facts import GoldenVector, Port
from tflm_ext.report.report import digest
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.computable import computable
from tflm_ext.verify.tflm import run_tflm

Array: TypeAlias = np.ndarray[Any, Any]

_COUNT = 8
_BYTES = 48 * 1024
_TABLE = r"static const (\w+) (\w+)(?:\[\w+\])+ = \{([^;]*)\};"


def make_golden(model: bytes, graph: Graph, vectors: Sequence[Array]) -> tuple[GoldenVector, ...]:
    """Return golden vectors, as many as fit on a board with the model, but at least two if given.

    Args:
        model: the bytes that TFLM runs.
        vectors: an array (vectors, *shape) for each input; the user's samples come first.

    Returns:
        Golden vectors, each computed after a reset, so that they can be checked in any order.
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


def read_golden(
    text: str, inputs: Sequence[Port], outputs: Sequence[Port]
) -> tuple[GoldenVector, ...]:
    """Return the golden vectors in a C file of an exported project, in order.

    Args:
        text: of test/test_model/golden_vectors.c, src/golden.h or the example's sample.h.
        inputs, outputs: ports of the model.

    Returns:
        The vectors; none if the file has no tables of these types and sizes.
    """
    ports = {f"input{i}": port for i, port in enumerate(inputs)}
    ports |= {f"output{i}": port for i, port in enumerate(outputs)}
    numbered = {name: name for name in ports}
    numbered |= {port.symbol: name for name, port in ports.items()}
    columns: dict[str, list[bytes]] = {}
    for ctype, table, body in re.findall(_TABLE, text):
        found = [symbol for symbol in numbered if symbol and table.endswith(symbol)]
        name = numbered[max(found, key=len)] if found else None
        port = ports.get(name) if name else None
        numbers = [int(n) for n in re.findall(r"-?\d+", body.replace(INT32_MIN, str(-(2**31))))]
        if name is None or port is None or ctype != port.dtype.c:
            return ()
        if not Limits.of(port.dtype).allow(np.array(numbers, object)):
            return ()
        columns.setdefault(name, []).append(np.array(numbers, port.dtype.numpy).tobytes())
    if set(columns) != set(ports):
        return ()
    sizes = [port.bytes for port in ports.values()]
    tables = [b"".join(columns[name]) for name in ports]
    count = len(tables[0]) // sizes[0]
    if [len(table) for table in tables] != [size * count for size in sizes]:
        return ()
    rows = [
        tuple(table[v * size : (v + 1) * size] for table, size in zip(tables, sizes, strict=True))
        for v in range(count)
    ]
    first = len(inputs)
    return tuple(GoldenVector(row[:first], row[first:]) for row in rows)


def check_golden(
    files: Mapping[str, Sequence[GoldenVector]],
    digests: Sequence[str],
    model: bytes,
    graph: Graph,
    hint: str,
) -> None:
    """Require that golden vectors equal those of the export.

    Args:
        files: the vectors in each file, the first ones of the export.
        digests: SHA-256 of each vector of the export.
        model: bytes of the .tflite.
        graph: as read from these bytes.
        hint: what to do about a vector that differs.

    Raises:
        VerificationError: a vector differs; names file, vector and element.
    """
    for path, vectors in files.items():
        for i, vector in enumerate(vectors):
            if digest(vector) != digests[i]:
                copies = (v[i] for v in files.values() if i < len(v))
                sound = (copy for copy in copies if digest(copy) == digests[i])
                right = next(sound, None) or _with_outputs(model, graph, vector)
                raise _difference(graph, path, i, vector, right, hint)


def _with_outputs(model: bytes, graph: Graph, vector: GoldenVector) -> GoldenVector:
    """Return the vector with TFLM's outputs for its inputs."""
    inputs = [
        np.frombuffer(data, graph.tensors[i].dtype.numpy).reshape(1, *graph.tensors[i].shape)
        for i, data in zip(graph.inputs, vector.inputs, strict=True)
    ]
    if not computable(model, graph, inputs).all():
        return vector  # its inputs differ from the export
    run = run_tflm(model, inputs, len(graph.outputs), arena_bytes=arena_for(graph))
    return GoldenVector(vector.inputs, tuple(output.tobytes() for output in run.outputs))


def _difference(
    graph: Graph, path: str, number: int, vector: GoldenVector, right: GoldenVector, hint: str
) -> VerificationError:
    for kind, tensors, got, expected in (
        ("input", graph.inputs, vector.inputs, right.inputs),
        ("output", graph.outputs, vector.outputs, right.outputs),
    ):
        for i, (tensor, g, e) in enumerate(zip(tensors, got, expected, strict=True)):
            if g != e:
                dtype = graph.tensors[tensor].dtype.numpy
                ours, theirs = np.frombuffer(g, dtype), np.frombuffer(e, dtype)
                at = int(np.flatnonzero(ours != theirs)[0])
                return VerificationError(
                    f"{path}: golden vector {number}, {kind} {i}, element {at} is {ours[at]} "
                    f"instead of {theirs[at]}.",
                    hint,
                    index=at,
                    expected=int(theirs[at]),
                    got=int(ours[at]),
                )
    return VerificationError(
        f"{path}: the inputs of golden vector {number} differ from the export.", hint
    )
