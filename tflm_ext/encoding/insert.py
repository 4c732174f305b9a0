"""The child process of encode.py: puts encoded tensors and DECODE operators into a .tflite.

The package that reads and writes the file trusts its bytes; here it may hang or crash on its own.
Imports nothing of this package, so that it runs as a plain program.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
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


def insert(model: bytes, encoded: Mapping[int, tuple[bytes, bytes]]) -> bytes:
    """Encode tensors of a model.

    Each consumer gets its own DECODE right before it, because its output lives only until the next
    operator.

    Args:
        model: a .tflite with one subgraph.
        encoded: by tensor number, the code and the ancillary data. The tensor is a constant.
    """
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = tree.subgraphs[0]
    for code in tree.operatorCodes:  # old converters know the one-byte field only
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    kind = schema.OperatorCodeT()
    kind.builtinCode = kind.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    kind.customCode, kind.version = "TFLM_DECODE", 1
    sources = {
        number: [_constant(tree, graph, data) for data in both] for number, both in encoded.items()
    }
    operators = []
    for operator in graph.operators:
        here = list(dict.fromkeys(n for n in operator.inputs if n in sources))
        if here:
            decode = schema.OperatorT()
            decode.opcodeIndex = len(tree.operatorCodes)
            decode.inputs = [source for number in here for source in sources[number]]
            outputs = {number: _decoded(graph, number) for number in here}
            decode.outputs = list(outputs.values())
            operator.inputs = [outputs.get(number, number) for number in operator.inputs]
            operators.append(decode)
        operators.append(operator)
    if encoded:
        tree.operatorCodes.append(kind)
    graph.operators = operators
    _drop_unused(tree, graph, encoded)
    tree.buffers = [_aligned(buffer) for buffer in tree.buffers]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _constant(tree: Any, graph: Any, data: bytes) -> int:
    """A new tensor of bytes; it has no name, which would cost flash."""
    tensor, buffer = schema.TensorT(), schema.BufferT()
    buffer.data = data
    tensor.shape, tensor.type, tensor.buffer = [len(data)], schema.TensorType.UINT8, 0
    tensor.buffer = len(tree.buffers)
    tree.buffers.append(buffer)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _decoded(graph: Any, number: int) -> int:
    """A tensor like the encoded one, without data; the encoded one for the first consumer."""
    tensor = graph.tensors[number]
    if tensor.buffer:
        tensor.buffer = 0
        return number
    graph.tensors.append(copy.copy(tensor))
    return len(graph.tensors) - 1


def _drop_unused(tree: Any, graph: Any, encoded: Mapping[int, Any]) -> None:
    used = {tensor.buffer for tensor in graph.tensors}
    used |= {entry.buffer for entry in tree.metadata or ()}
    for number, buffer in enumerate(tree.buffers):
        if number not in used:
            buffer.data = None


def _aligned(buffer: Any) -> _Buffer:
    new = _Buffer()
    new.data = buffer.data
    return new


def main(request: str, response: str) -> None:
    """Read a model and what to encode in it, write the new one."""
    with np.load(request) as archive:
        model = archive["model"].tobytes()
        encoded = {
            int(name.removeprefix("code")): (
                archive[name].tobytes(),
                archive[name.replace("code", "ancillary")].tobytes(),
            )
            for name in archive.files
            if name.startswith("code")
        }
    with open(response, "wb") as file:
        file.write(insert(model, encoded))


if __name__ == "__main__":
    main(*sys.argv[1:])
