"""The child process of encode.py: puts encoded tensors and DECODE operators into a .tflite."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tflm_ext.rewrite.tree import add_buffer, load, save


def insert(model: bytes, encoded: Mapping[int, tuple[bytes, bytes]]) -> bytes:
    """Encode tensors of a model.

    Each consumer gets its own DECODE right before it, because its output lives only until the next
    operator.

    Args:
        model: a .tflite with one subgraph.
        encoded: by tensor number, the code and the ancillary data. The tensor is a constant.
    """
    tree = load(model)
    graph = tree.subgraphs[0]
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
    return save(tree)


def _constant(tree: Any, graph: Any, data: bytes) -> int:
    """A new tensor of bytes; it has no name, which would cost flash."""
    tensor = schema.TensorT()
    tensor.shape, tensor.type = [len(data)], schema.TensorType.UINT8
    tensor.buffer = add_buffer(tree, data)
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
