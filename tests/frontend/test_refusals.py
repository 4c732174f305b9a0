"""What read_graph() says of files that are damaged, hostile, or not for us: the full text."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.frontend.models import code, dense, edited, operator, quantization, tensor
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError, UnsupportedOperatorError
from tflm_ext.flatbuffer import MalformedError
from tflm_ext.frontend import read_foreign, read_graph
from tflm_ext.frontend.parse import root
from tflm_ext.frontend.read import _check_sharing
from tflm_ext.ops import BY_NAME

MALFORMED = "Export the model again, or pass the file that the converter wrote."
STATE = (
    "Make the state an input and an output of the model, and pass it on in your C code; or pass a "
    "model that takes the whole window at once."
)
QUANTISE = "Convert the model with full int8 quantisation (inference type int8)."


# Where the length of the vector of tensors is stored.
TENSORS = (root(dense()).tables(2)[0].vector(0, 4) or (0, 0))[0] - 4


def patched(position: int, code: str, value: int) -> bytes:
    data = bytearray(dense())
    struct.pack_into(code, data, position, value)
    return bytes(data)


def one_vector_for_all() -> bytes:
    """Thousands of buffers that are one: each would become a copy of the whole file."""
    good = dense() + bytes(8192)
    data = bytearray(good)
    model = root(good)
    at = model.position(4)
    assert at is not None
    buffers = len(data)
    struct.pack_into("<I", data, at, buffers - at)
    count = 4000
    table = buffers + 4 + 4 * count
    data += struct.pack("<I", count)
    data += b"".join(struct.pack("<I", table - (buffers + 4 + 4 * i)) for i in range(count))
    data += struct.pack("<iI", -8, 4)  # a table followed by its vtable; data follows
    data += struct.pack("<HHH", 6, 8, 4)
    # The vector of the data is said to be as long as the count of buffers.
    data[table + 4 : table + 8] = struct.pack("<I", len(data) - table - 4 + 2)
    data += bytes(2) + struct.pack("<I", 8192) + bytes(8192)
    return bytes(data)


MALFORMED_FILES = {
    "it does not start with the identifier TFL3": b"",
    "it does not start with the identifier TFL3 ": b"\x89PNG\r\n\x1a\n" * 10,
    "its schema version is 2, not 3": edited(lambda m, g: setattr(m, "version", 2)),
    "an offset leads to byte 4294967295, but the file has 744": patched(0, "<I", 2**32 - 1),
    "a vector of 8589934588 bytes at byte 276 extends beyond the end of the file": patched(
        TENSORS, "<I", 2**31 - 1
    ),
    "the same bytes are referred to too often": one_vector_for_all(),
    "its weights are stored outside the FlatBuffer (model over 2 GB)": edited(
        lambda m, g: setattr(m.buffers[1], "offset", 4096)
    ),
    "tensor 0 'x' has 9 dimensions": tensor(0, shape=[1] * 9),
    "tensor 0 'x' has the shape [1, -4]": tensor(0, shape=[1, -4]),
    "tensor 0 'x' has the shape [65536, 65536]": tensor(0, shape=[65536, 65536]),
    "tensor 1 'weights' refers to buffer 3, but the file has 3": tensor(1, buffer=3),
    "tensor 1 'weights' has 12 bytes of data, but its shape [3, 5] needs 15": tensor(
        1, shape=[3, 5]
    ),
    "tensor 1 'weights' is both a variable and a constant": tensor(1, isVariable=True),
    "tensor 0 'x' has the scale 0.0, which is not positive and finite": quantization(
        0, scale=[0.0]
    ),
    "tensor 0 'x' has the scale nan, which is not positive and finite": quantization(
        0, scale=[float("nan")]
    ),
    "tensor 0 'x' has the scale inf, which is not positive and finite": quantization(
        0, scale=[float("inf")]
    ),
    "tensor 0 'x' has the scale -0.5, which is not positive and finite": quantization(
        0, scale=[-0.5]
    ),
    "tensor 1 'weights' has 3 scales and 2 zero points": quantization(1, zeroPoint=[0, 0]),
    "tensor 0 'x' has a zero point outside 32 bits": quantization(0, zeroPoint=[2**31]),
    "tensor 1 'weights' has 3 scales for axis 2 of the shape [3, 4]": quantization(
        1, quantizedDimension=2
    ),
    "tensor 1 'weights' has 3 scales for axis 1 of the shape [3, 4]": quantization(
        1, quantizedDimension=1
    ),
    "operator 0 refers to operator code 7, but the file has 1": operator(opcodeIndex=7),
    "an input of operator 0 is tensor 4, but the file has 4": operator(inputs=[0, 1, 4]),
    "an input of operator 0 is tensor -2, but the file has 4": operator(inputs=[0, 1, -2]),
    "an output of operator 0 is tensor -1, but the file has 4": operator(outputs=[-1]),
    "an input of operator 0 is tensor 0 'x', which has no elements": tensor(0, shape=[0, 4]),
    "an input of the model is tensor 2147483647, but the file has 4": edited(
        lambda m, g: setattr(g, "inputs", [2**31 - 1])
    ),
    "the model has no inputs or no outputs": edited(lambda m, g: setattr(g, "inputs", [])),
    "two inputs of the model are the same tensor": edited(
        lambda m, g: setattr(g, "inputs", [0, 0])
    ),
    "operator 0 FULLY_CONNECTED writes nothing": operator(outputs=[]),
    "operator 0 FULLY_CONNECTED reads tensor 3 'net/dense/MatMul', which has not been written": (
        operator(inputs=[3, 1, 2])
    ),
    "operator 0 FULLY_CONNECTED writes tensor 0 'x', which already has a value": operator(
        outputs=[0]
    ),
    "operator 0 FULLY_CONNECTED writes tensor 3 'net/dense/MatMul', which already has a value": (
        operator(outputs=[3, 3])
    ),
    "operator 1 FULLY_CONNECTED writes tensor 3 'net/dense/MatMul', "
    "which already has a value": edited(lambda m, g: g.operators.append(g.operators[0])),
    "the output tensor 3 'net/dense/MatMul' is written by no operator": edited(
        lambda m, g: g.operators.clear()
    ),
    "operator 0 is not a custom operator but has custom options": operator(customOptions=[1]),
    "operator 0 FULLY_CONNECTED has the options of a different operator": operator(
        builtinOptionsType=schema.BuiltinOptions.Conv2DOptions
    ),
    "the table at byte 24 has an odd number of bytes": patched(10, "<H", 13),
    "unknown fused activation, number 9": edited(
        lambda m, g: setattr(g.operators[0].builtinOptions, "fusedActivationFunction", 9)
    ),
}


@pytest.mark.parametrize("reason", MALFORMED_FILES)
def test_damaged_and_hostile(reason: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(MALFORMED_FILES[reason], "net")
    assert type(caught.value) is UnsupportedModelError
    assert caught.value.hint == MALFORMED
    assert caught.value.problem == f"net: not a valid .tflite file: {reason.strip()}."


@pytest.mark.parametrize("size", range(0, len(dense()), 7))
def test_truncated(size: int) -> None:
    with pytest.raises(UnsupportedModelError, match=r"^net: not a valid .tflite file: .*\.\n"):
        read_graph(dense()[:size], "net")


def test_the_last_known_version_is_read_and_the_next_one_is_not() -> None:
    last = BY_NAME["FULLY_CONNECTED"].max_version
    assert len(read_graph(code(version=last)).nodes) == 1
    with pytest.raises(UnsupportedOperatorError, match=f"version {last + 1} of operator 0"):
        read_graph(code(version=last + 1))


def shared_weights(operators: int) -> bytes:
    """Operators that all read the same megabyte of weights."""
    b = ModelBuilder()
    x = b.tensor((1, 1024), scale=0.1)
    w = b.constant(np.zeros((1024, 1024), np.int8), scale=0.1)
    outputs = [b.tensor((1, 1024), scale=0.1) for _ in range(operators)]
    for y in outputs:
        b.operator("FULLY_CONNECTED", [x, w], [y], schema.FullyConnectedOptionsT())
    return b.finish([x], outputs)


def test_weights_that_are_used_too_often() -> None:
    assert len(read_graph(shared_weights(20)).nodes) == 20
    with pytest.raises(UnsupportedModelError, match="the same weights are used by too many"):
        read_graph(shared_weights(150))


def test_shared_weights_may_be_64_times_the_file_and_64_mebibytes() -> None:
    graph = read_graph(shared_weights(80))
    _check_sharing(graph, (80 - 64 << 20) // 64)
    with pytest.raises(MalformedError, match="the same weights are used by too many"):
        _check_sharing(graph, (80 - 64 << 20) // 64 - 1)


def nodes(count: int) -> bytes:
    """A row of RELU."""
    b = ModelBuilder()
    tensors = [b.tensor((1, 4), scale=0.1) for _ in range(count + 1)]
    for x, y in itertools.pairwise(tensors):
        b.operator("RELU", [x], [y])
    return b.finish([tensors[0]], [tensors[-1]])


def split(count: int) -> bytes:
    """One SPLIT into as many parts."""
    b = ModelBuilder()
    x = b.tensor((1, count), scale=0.1)
    parts = [b.tensor((1, 1), scale=0.1) for _ in range(count)]
    b.operator("SPLIT", [b.constant(np.array(1, np.int32)), x], parts)
    return b.finish([x], parts)


def custom(name: bytes, inputs: Sequence[int] = (0, 1, 2)) -> bytes:
    """The good model as one custom operator."""

    def change(model: Any, graph: Any) -> None:
        model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
        model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        model.operatorCodes[0].customCode = name
        graph.operators[0].inputs = list(inputs)

    return edited(change)


def tile(builtin: int, **others: int) -> dict[str, int]:
    return {"builtinCode": builtin, "deprecatedBuiltinCode": min(builtin, 127), **others}


def keeping_state(*names: str) -> bytes:
    """The good model, with operators on variables; CALL_ONCE calls a second subgraph."""

    def change(model: Any, graph: Any) -> None:
        handle = schema.TensorT()
        handle.name, handle.type = b"stream/states", schema.TensorType.RESOURCE
        graph.tensors.append(handle)
        for name in names:
            kind, op = schema.OperatorCodeT(), schema.OperatorT()
            number = getattr(schema.BuiltinOperator, name)
            kind.builtinCode, kind.deprecatedBuiltinCode = number, min(number, 127)
            op.opcodeIndex = len(model.operatorCodes)
            model.operatorCodes.append(kind)
            graph.operators.append(op)
        if "CALL_ONCE" in names:
            model.subgraphs.append(schema.SubGraphT())

    return edited(change)


# Those that take seconds to build are functions, so that they are built by their tests only.
UNSUPPORTED: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "two subgraphs": (
        edited(lambda m, g: m.subgraphs.append(g)),
        (
            "net: the model has 2 subgraphs, but only one is supported.\n"
            "Control flow (while, if) is not supported; use unroll=True in recurrent layers."
        ),
    ),
    "no subgraph": (
        edited(lambda m, g: m.subgraphs.clear()),
        (
            "net: the model has 0 subgraphs, but only one is supported.\n"
            "Control flow (while, if) is not supported; use unroll=True in recurrent layers."
        ),
    ),
    "free size": (
        tensor(0, shapeSignature=[1, -1]),
        (
            "net: the shape of tensor 0 'x' is not fixed: [1, -1].\n"
            "Give the model's inputs fixed shapes and convert it with batch size 1."
        ),
    ),
    "free batch": (
        tensor(0, shape=[2, 4], shapeSignature=[-1, 4]),
        (
            "net: the shape of tensor 0 'x' is not fixed: [-1, 4].\n"
            "Give the model's inputs fixed shapes and convert it with batch size 1."
        ),
    ),
    "float16": (
        tensor(1, type=schema.TensorType.FLOAT16),
        (
            "net: the element type of tensor 1 'weights' is float16, which is not supported.\n"
            "Convert the model with full int8 quantisation."
        ),
    ),
    "unknown type": (
        tensor(1, type=99),
        (
            "net: the element type of tensor 1 'weights' is number 99, which is not supported.\n"
            "Convert the model with full int8 quantisation."
        ),
    ),
    "sparse": (
        tensor(1, sparsity=schema.SparsityParametersT()),
        (
            "net: the data of tensor 1 'weights' is stored in a sparse format, which TensorFlow "
            "Lite Micro does not support.\n"
            "Convert the model without sparsity encoding."
        ),
    ),
    "many operators": (
        lambda: nodes(4097),
        (
            "net: the model has 4097 operators, but at most 4096 are supported.\n"
            "Make the model smaller; unroll fewer steps of recurrent layers."
        ),
    ),
    "many computed tensors": (
        lambda: split(16384),
        (
            "net: the model has 16385 inputs and outputs of operators, but at most 16384 are "
            "supported.\nMake the model smaller; split tensors into fewer parts."
        ),
    ),
    "float input": (
        tensor(0, type=schema.TensorType.FLOAT32, quantization=None),
        (
            "net: input 0 'x' is float32, not int8 or int32.\n"
            "Pass the Keras model and calibration_data, or convert with full int8 quantisation "
            "(inference type int8)."
        ),
    ),
    "int16 activations": (
        tensor(0, type=schema.TensorType.INT16),
        (
            "net: input 0 'x' is int16, not int8 or int32.\n"
            "Pass the Keras model and calibration_data, or convert with full int8 quantisation "
            "(inference type int8)."
        ),
    ),
    "int16 output": (
        tensor(3, type=schema.TensorType.INT16),
        (
            "net: output 0 'net/dense/MatMul' is int16, not int8 or int32.\n"
            "Pass the Keras model and calibration_data, or convert with full int8 quantisation "
            "(inference type int8)."
        ),
    ),
    "int64 output": (
        tensor(3, type=schema.TensorType.INT64, quantization=None),
        (
            "net: output 0 'net/dense/MatMul' is int64, not int8 or int32.\n"
            "Pass the Keras model and calibration_data, or convert with full int8 quantisation "
            "(inference type int8)."
        ),
    ),
    "int16 input": (
        tensor(0, type=schema.TensorType.INT16, quantization=None),
        (
            "net: input 0 'x' is int16, not int8 or int32.\n"
            "Declare integer inputs as int32: keras.Input(shape, dtype='int32')."
        ),
    ),
    "bool input": (
        tensor(0, type=schema.TensorType.BOOL, quantization=None),
        (
            "net: input 0 'x' is bool, not int8 or int32.\n"
            "Declare integer inputs as int32: keras.Input(shape, dtype='int32')."
        ),
    ),
    "input without scale": (
        tensor(0, quantization=None),
        "net: input 0 'x' is a constant or a variable, or does not have exactly one scale and "
        "one zero point.\n" + QUANTISE,
    ),
    "input without zero point": (
        quantization(0, zeroPoint=[]),
        "net: input 0 'x' is a constant or a variable, or does not have exactly one scale and "
        "one zero point.\n" + QUANTISE,
    ),
    "input with a zero point outside int8": (
        quantization(0, zeroPoint=[128]),
        "net: input 0 'x' is a constant or a variable, or does not have exactly one scale and "
        "one zero point.\n" + QUANTISE,
    ),
    "input per channel": (
        quantization(0, scale=[0.1] * 4, zeroPoint=[0], quantizedDimension=1),
        "net: input 0 'x' is a constant or a variable, or does not have exactly one scale and "
        "one zero point.\n" + QUANTISE,
    ),
    "constant output": (
        edited(lambda m, g: setattr(g, "outputs", [1])),
        "net: output 0 'weights' is a constant or a variable, or does not have exactly one scale "
        "and one zero point.\n" + QUANTISE,
    ),
    "variable input": (
        tensor(0, isVariable=True),
        "net: input 0 'x' is a constant or a variable, or does not have exactly one scale and "
        "one zero point.\n" + QUANTISE,
    ),
    "float operator": (
        tensor(1, type=schema.TensorType.FLOAT32, shape=[3, 1], quantization=None),
        (
            "net: operator 0 FULLY_CONNECTED (Keras layer dense) computes in float32.\n"
            "Convert the model with full int8 quantisation; replace layers that cannot be "
            "quantised."
        ),
    ),
}

UNSUPPORTED_OPERATORS = {
    "with a remedy": (
        code(**tile(schema.BuiltinOperator.TILE)),
        (
            "net: operator 0 TILE (Keras layer dense) is not supported.\n"
            "Use UpSampling2D(interpolation='bilinear') or Conv2DTranspose; RepeatVector has no "
            "replacement."
        ),
    ),
    "without a remedy": (
        code(**tile(schema.BuiltinOperator.STABLEHLO_SORT)),
        (
            "net: operator 0 STABLEHLO_SORT (Keras layer dense) is not supported.\n"
            "Replace the layer with one listed in docs/reference/operators.md."
        ),
    ),
    "state": (
        keeping_state("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"),
        (
            "net: the model keeps state from one inference to the next in variables (CALL_ONCE, "
            "VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE), which are not supported.\n" + STATE
        ),
    ),
    "state that is not initialised": (
        keeping_state("ASSIGN_VARIABLE", "VAR_HANDLE"),
        (
            "net: the model keeps state from one inference to the next in variables (VAR_HANDLE, "
            "ASSIGN_VARIABLE), which are not supported.\n" + STATE
        ),
    ),
    "newer version": (
        code(version=99),
        (
            "net: version 99 of operator 0 FULLY_CONNECTED (Keras layer dense) is not supported.\n"
            "Replace the layer with one listed in docs/reference/operators.md."
        ),
    ),
    "custom of a compiler": (
        custom(b"XC_conv2d_v2"),
        (
            "net: operator 0 CUSTOM 'XC_conv2d_v2' (Keras layer dense) is not supported.\n"
            "Pass the .tflite from before it was compiled for other hardware, or leave the "
            "operator out of the model and compute it in your C code."
        ),
    ),
    "custom that reads what has not been written": (
        custom(b"ethos-u", inputs=(0, 1, 2, 3)),
        (
            "net: operator 0 CUSTOM 'ethos-u' (Keras layer dense) is not supported.\n"
            "Pass the .tflite from before Vela, which compiles it for Arm's Ethos-U."
        ),
    ),
    "custom": (
        custom(b"Flex\x1b[2JErf\n"),
        (
            "net: operator 0 CUSTOM 'Flex\\x1b[2JErf\\n' (Keras layer dense) is not supported.\n"
            "Replace the layer with one listed in docs/reference/operators.md."
        ),
    ),
    "unknown number": (
        code(**tile(5000)),
        (
            "net: operator 0 number 5000 (Keras layer dense) is not supported.\n"
            "Replace the layer with one listed in docs/reference/operators.md."
        ),
    ),
    "number of our own TABLE": (
        code(builtinCode=-1, deprecatedBuiltinCode=-1),
        (
            "net: operator 0 number -1 (Keras layer dense) is not supported.\n"
            "Replace the layer with one listed in docs/reference/operators.md."
        ),
    ),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_not_supported(case: str) -> None:
    model, text = UNSUPPORTED[case]
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(model if isinstance(model, bytes) else model(), "net")
    assert str(caught.value) == text
    assert type(caught.value) is UnsupportedModelError


@pytest.mark.parametrize("case", UNSUPPORTED_OPERATORS)
def test_operators_outside_the_table(case: str) -> None:
    model, text = UNSUPPORTED_OPERATORS[case]
    with pytest.raises(UnsupportedOperatorError) as caught:
        read_graph(model, "net")
    assert str(caught.value) == text


def test_other_runtimes_have_the_custom_operators_that_they_name() -> None:
    assert read_foreign(custom(b"TFLM_DECODE"), "net", ["TFLM_DECODE"]).nodes
    with pytest.raises(UnsupportedOperatorError, match="CUSTOM 'ethos-u'"):
        read_foreign(custom(b"ethos-u", inputs=(0, 1, 2, 3)), "net", ["TFLM_DECODE"])
