"""Untrusted .tflite bytes to a checked Graph.

Everything that a later stage relies on is checked here or in the check of an operator: after
read_graph() every tensor number exists, shapes are fixed and positive, constants have exactly
their size, scales are finite and positive, and every operator reads only what was written before.

Field numbers are those of TensorFlow Lite's schema.fbs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tflm_ext.errors import UnsupportedModelError, UnsupportedOperatorError
from tflm_ext.flatbuffer import MalformedError, Reader, Table
from tflm_ext.ir import DType, Graph, Node, Quantization, Tensor
from tflm_ext.ir.verify import verify_graph
from tflm_ext.ops import BY_NAME, OPERATORS, Operator

_TENSOR_TYPES: Mapping[int, DType] = {
    0: DType.FLOAT32,
    2: DType.INT32,
    3: DType.UINT8,
    4: DType.INT64,
    6: DType.BOOL,
    7: DType.INT16,
    9: DType.INT8,
}
_MAX_ELEMENTS = 1 << 26
_MAX_RANK = 8
_HINT = "Export the model again, or give the file that the converter wrote."


def read_graph(data: bytes, name: str = "model") -> Graph:
    """Parse a .tflite and check it.

    Args:
        data: bytes of the file; not trusted.
        name: how messages call the model.

    Raises:
        UnsupportedModelError: no valid .tflite, or one that this project does not run.
        UnsupportedOperatorError: an operator outside the table.
    """
    try:
        graph = _read(data, name)
    except MalformedError as error:
        raise UnsupportedModelError(f"{name}: not a valid .tflite file: {error}.", _HINT) from error
    for view in graph.views():
        BY_NAME[view.node.operator].check(view)
    return graph


def _read(data: bytes, name: str) -> Graph:
    reader = Reader(data)
    if len(data) < 8 or reader.identifier() != b"TFL3":
        raise MalformedError("it does not start with the identifier TFL3")
    model = reader.root()
    if model.uint32(0) != 3:
        raise MalformedError(f"schema version {model.uint32(0)} instead of 3")
    subgraphs = model.tables(2)
    if len(subgraphs) != 1:
        raise UnsupportedModelError(
            f"{name}: the model has {len(subgraphs)} subgraphs, one is supported.",
            "Control flow (while, if) is not supported; use unroll=True in recurrent layers.",
        )
    (subgraph,) = subgraphs
    buffers = _buffers(model)
    tensors = {
        i: _tensor(i, table, buffers) for i, table in enumerate(subgraph.tables(0))
    }
    codes = [_code(table) for table in model.tables(1)]
    nodes = tuple(
        _node(i, table, codes, tensors, name) for i, table in enumerate(subgraph.tables(3))
    )
    graph = Graph(
        name=name,
        tensors=tensors,
        nodes=nodes,
        inputs=_indices(subgraph.int32s(1), tensors, optional=False),
        outputs=_indices(subgraph.int32s(2), tensors, optional=False),
    )
    problem = verify_graph(graph)
    if problem is not None:
        raise MalformedError(problem)
    return graph


def _buffers(model: Table) -> tuple[bytes | None, ...]:
    buffers = []
    for table in model.tables(4):
        if table.uint64(1) > 1:
            raise MalformedError("weights lie outside the FlatBuffer (a model above 2 GB)")
        buffers.append(table.bytes(0))
    return tuple(buffers)


def _tensor(index: int, table: Table, buffers: tuple[bytes | None, ...]) -> Tensor:
    name = table.text(3)
    where = f"tensor {index}"
    shape = table.int32s(0) or ()
    if -1 in (table.int32s(7) or ()) and shape and shape[0] != 1:
        raise MalformedError(f"{where} has a dynamic shape")
    if len(shape) > _MAX_RANK or any(d < 1 for d in shape) or math.prod(shape) > _MAX_ELEMENTS:
        raise MalformedError(f"{where} has the shape {list(shape)[:_MAX_RANK]}")
    dtype = _TENSOR_TYPES.get(table.int8(1))
    if dtype is None:
        raise UnsupportedModelError(
            f"{where} has the element type number {table.int8(1)}, which is not supported.",
            "Convert the model with full int8 quantisation.",
        )
    if table.table(6) is not None:
        raise UnsupportedModelError(
            f"{where} is stored sparse, which TensorFlow Lite Micro does not run.",
            "Convert the model without sparsity encoding.",
        )
    buffer = table.uint32(2)
    if buffer >= len(buffers):
        raise MalformedError(f"{where} refers to buffer {buffer} of {len(buffers)}")
    tensor = Tensor(
        index=index,
        name=name,
        shape=shape,
        dtype=dtype,
        quantization=_quantization(table.table(4), where, shape),
        data=buffers[buffer] or None,
        variable=table.bool(5),
    )
    if tensor.data is not None and len(tensor.data) != tensor.bytes:
        raise MalformedError(
            f"{where} has {len(tensor.data)} bytes of data, its shape needs {tensor.bytes}"
        )
    return tensor


def _quantization(
    table: Table | None, where: str, shape: tuple[int, ...]
) -> Quantization | None:
    if table is None:
        return None
    scales = table.float32s(2) or ()
    if not scales:
        return None
    zero_points = table.int64s(3) or (0,) * len(scales)
    axis = table.int32(6)
    if len(zero_points) == 1:
        zero_points = zero_points * len(scales)
    if len(zero_points) != len(scales):
        raise MalformedError(f"{where} has {len(scales)} scales and {len(zero_points)} zero points")
    if any(not math.isfinite(s) or s <= 0 for s in scales):
        raise MalformedError(f"{where} has a scale that is not positive and finite")
    if any(not -(2**31) <= z < 2**31 for z in zero_points):
        raise MalformedError(f"{where} has a zero point outside 32 bits")
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise MalformedError(f"{where} has {len(scales)} scales for axis {axis} of {list(shape)}")
    return Quantization(scales, zero_points, axis if len(scales) > 1 else 0)


def _code(table: Table) -> tuple[int, str, int]:
    # Old converters know the one-byte field only, and put 127 there for what does not fit.
    return max(table.int8(0), table.int32(3)), table.text(1), table.int32(2, 1)


def _indices(
    numbers: tuple[int, ...] | None, tensors: Mapping[int, Tensor], *, optional: bool
) -> tuple[int, ...]:
    numbers = numbers or ()
    for number in numbers:
        if number not in tensors and not (optional and number == -1):
            raise MalformedError(f"an operator or border refers to tensor {number}")
    return numbers


def _node(
    index: int,
    table: Table,
    codes: list[tuple[int, str, int]],
    tensors: Mapping[int, Tensor],
    model: str,
) -> Node:
    number = table.uint32(0)
    if number >= len(codes):
        raise MalformedError(f"operator {index} refers to operator code {number} of {len(codes)}")
    code, custom, version = codes[number]
    outputs = _indices(table.int32s(2), tensors, optional=False)
    operator = next((op for op in OPERATORS if op.code == code), None)
    if operator is None or version > operator.max_version:
        raise _unsupported(index, code, custom, version, operator, outputs, tensors, model)
    return Node(
        index=index,
        operator=operator.name,
        inputs=_indices(table.int32s(1), tensors, optional=True),
        outputs=outputs,
        options=operator.parse(table.table(4)),
        intermediates=_indices(table.int32s(8), tensors, optional=False),
    )


def _unsupported(
    index: int,
    code: int,
    custom: str,
    version: int,
    operator: Operator | None,
    outputs: tuple[int, ...],
    tensors: Mapping[int, Tensor],
    model: str,
) -> UnsupportedOperatorError:
    from tflm_ext.ir.names import keras_layer
    from tflm_ext.ops.names import builtin_name, remedy

    name = operator.name if operator else builtin_name(code, custom)
    layer = keras_layer(tensors[outputs[0]].name) if outputs else None
    where = f" (Keras layer {layer})" if layer else ""
    what = f"version {version} of operator" if operator else "operator"
    return UnsupportedOperatorError(
        f"{model}: {what} {index} {name}{where} is not supported.", remedy(name)
    )
