"""Parses untrusted .tflite bytes into tensors and operators of any kind.

After parse(), every tensor number exists; shapes are fixed and bounded, and positive if an operator
reads or writes the tensor; constants have exactly the size of their shape; and scales are finite
and positive, or 0 where a constant is zero. Operators have not been checked.

Field numbers are those of TensorFlow Lite's schema.fbs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from tflm_ext.errors import UnsupportedModelError, UnsupportedOperatorError
from tflm_ext.flatbuffer import MalformedError, Reader, Table
from tflm_ext.ir import DType, Quantization, Tensor

_TENSOR_TYPES: Mapping[int, DType] = {
    0: DType.FLOAT32,
    2: DType.INT32,
    3: DType.UINT8,
    4: DType.INT64,
    6: DType.BOOL,
    7: DType.INT16,
    9: DType.INT8,
}
_OTHER_TYPES: Mapping[int, str] = {
    1: "float16",
    5: "string",
    8: "complex64",
    10: "float64",
    11: "complex128",
    12: "uint64",
    13: "resource",
    14: "variant",
    15: "uint32",
    16: "uint16",
    17: "int4",
    18: "bfloat16",
}
MAX_ELEMENTS = 1 << 24  # far beyond any board's RAM, and a product of two fits into 64 bits
MAX_RANK = 8
MAX_NAME = 1024
CUSTOM = 32
_OF_VARIABLES: Mapping[int, str] = {
    129: "CALL_ONCE",
    142: "VAR_HANDLE",
    143: "READ_VARIABLE",
    144: "ASSIGN_VARIABLE",
}
_MAX_NODES = 4096
_MAX_COMPUTED = 1 << 14  # each takes at least 4 bytes, and an argument or a line of C


class _Unsupported(Exception):
    """A tensor that is valid but not supported."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint


@contextmanager
def damage_refused(name: str) -> Iterator[None]:
    """Report a file that is not a valid .tflite as an error of the model with this name."""
    try:
        yield
    except MalformedError as error:
        raise UnsupportedModelError(
            f"{name}: not a valid .tflite file: {error}.",
            "Export the model again, or pass the file that the converter wrote.",
        ) from error


@dataclass(frozen=True, slots=True)
class RawNode:
    """One operator as the file has it.

    Attributes:
        index: its number in the file.
        code: BuiltinOperator number.
        custom: name of a custom operator, untrusted.
        inputs: tensor numbers; -1 for an optional input that is absent.
        options_type: BuiltinOptions number, the type of the options table; 0 if there is none.
        options: its options table.
    """

    index: int
    code: int
    custom: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...]
    options_type: int
    options: Table | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class RawModel:
    """The only subgraph of a file.

    Attributes:
        free: the signatures of tensors that have a size of -1, which depends on the batch. Their
            shapes have a 1 there, which the converter also writes for sizes that it does not know.
    """

    tensors: Mapping[int, Tensor]
    nodes: tuple[RawNode, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    free: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


def parse(data: bytes, name: str, *, settled: bool = True) -> RawModel:
    """Parse a file.

    Args:
        name: the model's name, for messages.
        settled: refuse tensors with a size that is not fixed, other than the batch where it is the
            first of the sizes; False: only inputs of the model.

    Raises:
        MalformedError: the file is not a valid .tflite.
        UnsupportedModelError: it is valid, but contains something that is not supported.
        UnsupportedOperatorError: it has operators on variables.
    """
    model = root(data)
    subgraphs = model.tables(2)
    codes = [_code(table) for table in model.tables(1)]
    _check_state(subgraphs, codes, name)
    if len(subgraphs) != 1:
        raise UnsupportedModelError(
            f"{name}: the model has {len(subgraphs)} subgraphs, but only one is supported.",
            "Control flow (while, if) is not supported; use unroll=True in recurrent layers.",
        )
    (subgraph,) = subgraphs
    buffers = _buffers(model)
    try:
        tables = subgraph.tables(0)
        tensors = {i: _tensor(i, table, buffers) for i, table in enumerate(tables)}
    except _Unsupported as error:
        raise UnsupportedModelError(f"{name}: {error}", error.hint) from None
    operators = subgraph.tables(3)
    if len(operators) > _MAX_NODES:
        raise UnsupportedModelError(
            f"{name}: the model has {len(operators)} operators, but at most {_MAX_NODES} are "
            "supported.",
            "Make the model smaller; unroll fewer steps of recurrent layers.",
        )
    nodes = tuple(_node(i, table, codes, tensors) for i, table in enumerate(operators))
    inputs = _indices("an input of the model", subgraph.int32s(1), tensors)
    computed = len(inputs) + sum(len(node.outputs) for node in nodes)
    if computed > _MAX_COMPUTED:
        raise UnsupportedModelError(
            f"{name}: the model has {computed} inputs and outputs of operators, but at most "
            f"{_MAX_COMPUTED} are supported.",
            "Make the model smaller; split tensors into fewer parts.",
        )
    outputs = _indices("an output of the model", subgraph.int32s(2), tensors)
    signatures = {i: table.int32s(7) or () for i, table in enumerate(tables)}
    free = {i: signature for i, signature in signatures.items() if -1 in signature}
    try:
        for i in free if settled else free.keys() & set(inputs):
            _check_signature(tensors[i], free[i])
    except _Unsupported as error:
        raise UnsupportedModelError(f"{name}: {error}", error.hint) from None
    return RawModel(tensors, nodes, inputs=inputs, outputs=outputs, free=free)


def root(data: bytes) -> Table:
    """Return the Model table of a file.

    Raises:
        MalformedError: it is not a .tflite, or not one of schema version 3.
    """
    reader = Reader(data)
    if len(data) < 8 or reader.identifier() != b"TFL3":
        raise MalformedError("it does not start with the identifier TFL3")
    model = reader.root()
    if model.uint32(0) != 3:
        raise MalformedError(f"its schema version is {model.uint32(0)}, not 3")
    return model


def _check_state(
    subgraphs: tuple[Table, ...], codes: list[tuple[int, str, int]], name: str
) -> None:
    """Refuse variables, which are resource tensors and have a subgraph that initialises them."""
    used = {table.uint32(0) for subgraph in subgraphs for table in subgraph.tables(3)}
    found = {codes[number][0] for number in used if number < len(codes)}
    names = [label for code, label in _OF_VARIABLES.items() if code in found]
    if names:
        raise UnsupportedOperatorError(
            f"{name}: the model keeps state from one inference to the next in variables "
            f"({', '.join(names)}), which are not supported.",
            "Make the state an input and an output of the model, and pass it on in your C code; "
            "or pass a model that takes the whole window at once.",
        )


def _buffers(model: Table) -> tuple[bytes | None, ...]:
    buffers = []
    for table in model.tables(4):
        if table.uint64(1) > 1:
            raise MalformedError("its weights are stored outside the FlatBuffer (model over 2 GB)")
        buffers.append(table.bytes(0))
    return tuple(buffers)


def _tensor(index: int, table: Table, buffers: tuple[bytes | None, ...]) -> Tensor:
    name = table.text(3)[:MAX_NAME]
    where = f"tensor {index} {name[:80]!r}"
    shape = table.int32s(0) or ()
    _check_shape(where, shape)
    dtype = _TENSOR_TYPES.get(table.int8(1))
    if dtype is None:
        number = table.int8(1)
        raise _Unsupported(
            f"the element type of {where} is {_OTHER_TYPES.get(number, f'number {number}')}, "
            "which is not supported.",
            "Convert the model with full int8 quantisation.",
        )
    if table.table(6) is not None:
        raise _Unsupported(
            f"the data of {where} is stored in a sparse format, which TensorFlow Lite Micro does "
            "not support.",
            "Convert the model without sparsity encoding.",
        )
    buffer = table.uint32(2)
    if buffer >= len(buffers):
        raise MalformedError(f"{where} refers to buffer {buffer}, but the file has {len(buffers)}")
    tensor = Tensor(
        index=index,
        name=name,
        shape=shape,
        dtype=dtype,
        data=buffers[buffer] or None,
        variable=table.bool(5),
    )
    if tensor.data is not None and len(tensor.data) != tensor.bytes:
        raise MalformedError(
            f"{where} has {len(tensor.data)} bytes of data, but its shape {list(shape)} needs "
            f"{tensor.bytes}"
        )
    if tensor.data is not None and tensor.variable:
        raise MalformedError(f"{where} is both a variable and a constant")
    return replace(tensor, quantization=_quantization(table.table(4), where, tensor))


def _check_shape(where: str, shape: tuple[int, ...]) -> None:
    if -1 in shape:
        raise _not_fixed(where, shape)
    if len(shape) > MAX_RANK:
        raise MalformedError(f"{where} has {len(shape)} dimensions")
    if any(d < 0 for d in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise MalformedError(f"{where} has the shape {list(shape)}")


def _check_signature(tensor: Tensor, signature: tuple[int, ...]) -> None:
    # TensorFlow Lite keeps the -1 of a free size in `signature`, and stores 1 in `shape`. For the
    # batch size, 1 is what we run; for other sizes, it is not what the user means.
    if -1 in signature[1:] or (-1 in signature[:1] and tensor.shape[:1] != (1,)):
        raise _not_fixed(f"tensor {tensor.index} {tensor.name[:80]!r}", signature)


def _not_fixed(where: str, shape: tuple[int, ...]) -> _Unsupported:
    return _Unsupported(
        f"the shape of {where} is not fixed: {list(shape)[:MAX_RANK]}.",
        "Give the model's inputs fixed shapes and convert it with batch size 1.",
    )


def _quantization(table: Table | None, where: str, tensor: Tensor) -> Quantization | None:
    scales = (table and table.float32s(2)) or ()
    zero_points = (table and table.int64s(3)) or ()
    if table is None or not scales or not zero_points:
        return None  # like TFLM, treat a tensor without scales or zero points as not quantised
    if len(zero_points) == 1:
        zero_points = zero_points * len(scales)
    if len(zero_points) != len(scales):
        raise MalformedError(f"{where} has {len(scales)} scales and {len(zero_points)} zero points")
    if any(not -(2**31) <= z < 2**31 for z in zero_points):
        raise MalformedError(f"{where} has a zero point outside 32 bits")
    axis = _scaled_axis(table.int32(6), len(scales), where, tensor.shape)
    bad = next((s for s in scales if not math.isfinite(s) or s < 0), None)
    if bad is None and 0 in scales and not _zeros_where(scales, axis, tensor):
        bad = 0.0
    if bad is not None:
        raise MalformedError(f"{where} has the scale {bad}, which is not positive and finite")
    return Quantization(scales, zero_points, axis)


def _scaled_axis(axis: int, scales: int, where: str, shape: tuple[int, ...]) -> int:
    """The axis that scales belong to; 0 for a single one."""
    if scales == 1:
        return 0
    # Old converters give a bias the axis of its filter.
    if len(shape) == 1:
        axis = 0
    if not (0 <= axis < len(shape) and shape[axis] == scales):
        raise MalformedError(
            f"{where} has {scales} scales for axis {axis} of the shape {list(shape)}"
        )
    return axis


def _zeros_where(scales: tuple[float, ...], axis: int, tensor: Tensor) -> bool:
    """Whether a constant is zero wherever its scale is: converters write that for dead filters."""
    if not tensor.constant:
        return False
    if len(scales) == 1:
        return not tensor.array().any()
    return not np.moveaxis(tensor.array(), axis, 0)[np.array(scales) == 0].any()


def _code(table: Table) -> tuple[int, str, int]:
    # Old converters write only the one-byte field. New ones write 127 to it for larger numbers.
    return max(table.int8(0), table.int32(3)), table.text(1)[:MAX_NAME], table.int32(2, 1)


def _indices(
    what: str,
    numbers: tuple[int, ...] | None,
    tensors: Mapping[int, Tensor],
    *,
    optional: bool = False,
    empty: bool = False,
) -> tuple[int, ...]:
    numbers = numbers or ()
    for number in numbers:
        if optional and number == -1:
            continue
        if number not in tensors:
            raise MalformedError(f"{what} is tensor {number}, but the file has {len(tensors)}")
        # Of an intermediate, only the quantisation matters; converters give it no elements.
        if tensors[number].elements == 0 and not empty:
            raise MalformedError(
                f"{what} is tensor {number} {tensors[number].name[:80]!r}, which has no elements"
            )
    return numbers


def _node(
    index: int,
    table: Table,
    codes: list[tuple[int, str, int]],
    tensors: Mapping[int, Tensor],
) -> RawNode:
    number = table.uint32(0)
    if number >= len(codes):
        raise MalformedError(
            f"operator {index} refers to operator code {number}, but the file has {len(codes)}"
        )
    code, custom, version = codes[number]
    where = f"operator {index}"
    if code != CUSTOM and table.position(5) is not None:
        raise MalformedError(f"{where} is not a custom operator but has custom options")
    return RawNode(
        index=index,
        code=code,
        custom=custom,
        version=version,
        inputs=_indices(f"an input of {where}", table.int32s(1), tensors, optional=True),
        outputs=_indices(f"an output of {where}", table.int32s(2), tensors),
        intermediates=_indices(f"an intermediate of {where}", table.int32s(8), tensors, empty=True),
        options_type=table.uint8(3),
        options=table.table(4) if table.uint8(3) else None,
    )
