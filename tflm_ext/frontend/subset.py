"""Extracts some operators of a .tflite into a separate .tflite."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from tflm_ext.flatbuffer import MalformedError
from tflm_ext.frontend.parse import parse, root


def subset(
    data: bytes,
    operators: Sequence[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
    rewired: Mapping[int, tuple[int, ...]] = MappingProxyType({}),
) -> bytes:
    """Return a file with some of another file's operators, and with different ports.

    Only the lists of operators and of tensors are rewritten; the bytes of tensors, weights and
    options do not change. Signatures, which name the old ports, are removed.

    Args:
        data: a file that parse() accepts.
        operators: their numbers, ascending.
        inputs, outputs: tensor numbers.
        rewired: the operators whose inputs changed, by number.

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
    nodes = subgraph.tables(3)
    lists = [(subgraph.position(1), inputs), (subgraph.position(2), outputs)]
    lists += [(nodes[number].position(1), tensors) for number, tensors in rewired.items()]
    for at, tensors in lists:
        if at is None:
            raise MalformedError("the model has no inputs or no outputs")
        patched.extend(bytes(-len(patched) % 4))
        struct.pack_into("<I", patched, at, len(patched) - at)
        patched.extend(struct.pack(f"<I{len(tensors)}i", len(tensors), *tensors))
    signatures = model.vector(7, 4)
    if signatures is not None:
        struct.pack_into("<I", patched, signatures[0] - 4, 0)
    _check(data, bytes(patched), operators, inputs, outputs, rewired)
    return bytes(patched)


def _check(
    data: bytes,
    patched: bytes,
    operators: Sequence[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
    rewired: Mapping[int, tuple[int, ...]],
) -> None:
    """Check that nothing else changed: in a hostile file, tables may overlap."""
    old, new = parse(data, ""), parse(patched, "")
    contents = [(n.code, n.inputs, n.outputs) for n in new.nodes]
    kept = (old.nodes[i] for i in operators)
    if (
        new.tensors != old.tensors
        or contents != [(n.code, rewired.get(n.index, n.inputs), n.outputs) for n in kept]
        or new.inputs != tuple(inputs)
        or new.outputs != tuple(outputs)
    ):
        raise MalformedError("tables overlap")
