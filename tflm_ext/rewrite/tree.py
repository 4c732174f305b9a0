"""A .tflite as the tree of objects that its generated Python classes make of it.

These classes trust their bytes: a damaged file may make them hang or crash. Only child processes
import this module; see child.py.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

_ALIGNMENT = 16  # of weights, which TFLM reads in place


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """Its data start at a multiple of 16, which the generated class does not ensure."""

    def Pack(self, builder: Any) -> int:  # noqa: N802
        data = None if self.data is None else bytes(self.data)
        if data:
            builder.StartVector(1, len(data), _ALIGNMENT)
            builder.head -= len(data)
            builder.Bytes[builder.head : builder.head + len(data)] = data
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if data:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


def load(model: bytes) -> Any:
    """The ModelT of a file; operator codes have the field of new converters filled in."""
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    for code in tree.operatorCodes:  # old converters know the one-byte field only
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    return tree


def save(tree: Any) -> bytes:
    """The bytes of a ModelT, without data that no tensor uses."""
    (graph,) = tree.subgraphs
    used = {tensor.buffer for tensor in graph.tensors}
    used |= {entry.buffer for entry in tree.metadata or ()}
    for number, buffer in enumerate(tree.buffers):
        if number not in used:
            buffer.data = None
    size = sum(len(buffer.data) for buffer in tree.buffers if buffer.data is not None)
    tree.buffers = [_aligned(buffer) for buffer in tree.buffers]
    builder = flatbuffers.Builder(size + 65536)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def add_buffer(tree: Any, data: bytes) -> int:
    """Append a buffer; its number."""
    buffer = schema.BufferT()
    buffer.data = data
    tree.buffers.append(buffer)
    return len(tree.buffers) - 1


def _aligned(buffer: Any) -> _Buffer:
    new = _Buffer()
    new.data = buffer.data
    return new
