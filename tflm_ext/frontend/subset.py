"""Extracts some operators of a .tflite into a separate .tflite."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tflm_ext.flatbuffer import MalformedError
from tflm_ext.frontend.parse import parse, root


def subset(
    data: bytes, operators: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]
) -> bytes:
    """Return a file with some of another file's operators, and with different ports.

    Only the lists of operators, inputs and outputs are rewritten; the bytes of tensors, weights and
    options do not change. Signatures, which name the old ports, are removed.

    Args:
        data: a file that parse() accepts.
        operators: their numbers, ascending.
        inputs, outputs: tensor numbers.

    Raises:
        MalformedError: tables of the file overlap.
    """
    model = root(data)
    (subgraph,) = model.tables(2)
    patched = bytearray(data)
    found = subgraph.vector(3, 4)
    if found is None:
        raise MalformedError("the model has no operators")
    start, _ = found
    # Offsets are relative to where they are stored, and always positive: the list cannot move.
    for slot, number in enumerate(operators):
        (offset,) = struct.unpack_from("<I", data, start + 4 * number)
        struct.pack_into("<I", patched, start + 4 * slot, offset + 4 * (number - slot))
    struct.pack_into("<I", patched, start - 4, len(operators))
    for field, tensors in ((1, inputs), (2, outputs)):
        at = subgraph.position(field)
        if at is None:
            raise MalformedError("the model has no inputs or no outputs")
        patched.extend(bytes(-len(patched) % 4))
        struct.pack_into("<I", patched, at, len(patched) - at)
        patched.extend(struct.pack(f"<I{len(tensors)}i", len(tensors), *tensors))
    signatures = model.vector(7, 4)
    if signatures is not None:
        struct.pack_into("<I", patched, signatures[0] - 4, 0)
    _check(data, bytes(patched), operators, inputs, outputs)
    return bytes(patched)


def _check(
    data: bytes,
    patched: bytes,
    operators: Sequence[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> None:
    """Check that nothing else changed: in a hostile file, tables may overlap."""
    old, new = parse(data, ""), parse(patched, "")
    contents = [(n.code, n.inputs, n.outputs) for n in new.nodes]
    if (
        new.tensors != old.tensors
        or contents != [(n.code, n.inputs, n.outputs) for n in (old.nodes[i] for i in operators)]
        or new.inputs != tuple(inputs)
        or new.outputs != tuple(outputs)
    ):
        raise MalformedError("tables overlap")
