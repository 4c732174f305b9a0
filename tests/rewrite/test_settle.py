"""Models with a free batch: what computes shapes becomes constants, and all shapes are fixed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import flatbuffers
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact, run_here
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError, VerificationError
from tflm_ext.frontend.parse import parse
from tflm_ext.rewrite import settle
from tflm_ext.rewrite.shapes import _RULES
from tflm_ext.rewrite.values import _COMPUTE
from tflm_ext.verify.tflm import TflmRun
from tflm_ext.verify.unchanged import check_rewritten, require_equal

INT32 = np.int32


def options(name: str, **fields: int) -> Any:
    """An options object of the schema."""
    found = getattr(schema, f"{name}OptionsT")()
    for field, value in fields.items():
        setattr(found, field, value)
    return found


def names(model: bytes) -> list[str]:
    """Operators, in their order."""
    tree = schema.ModelT.InitFromPackedBuf(model)
    numbers = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    codes = [numbers[code.builtinCode] for code in tree.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in tree.subgraphs[0].operators]


def take(b: ModelBuilder, shape: int, place: int) -> int:
    """shape[place], a scalar, as Keras takes the batch."""
    out = b.tensor((), dtype="int32")
    ends = [b.constant(INT32([n])) for n in (place, place + 1, 1)]
    b.operator("STRIDED_SLICE", [shape, *ends], [out], options("StridedSlice", shrinkAxisMask=1))
    return out


def flatten(
    shape: Sequence[int] = (1, 4, 3),
    *,
    wide: bool = True,
    float_port: bool = False,
    output_scale: float = 0.1,
) -> bytes:
    """RELU and a Flatten that computes its shape: [batch, the other sizes multiplied]."""
    b = ModelBuilder()
    free = (-1, *shape[1:])
    x = given = b.tensor(shape, scale=0.1, signature=free, name="image")
    if float_port:
        given = b.tensor(shape, dtype="float32", signature=free)
        b.operator("QUANTIZE", [given], [x], schema.QuantizeOptionsT())
    y = b.tensor(shape, scale=0.1, signature=free)
    b.operator("RELU", [x], [y])
    sizes = b.tensor((len(shape),), dtype="int32")
    b.operator("SHAPE", [y], [sizes], options("Shape", outType=schema.TensorType.INT32))
    batch = take(b, sizes, 0)
    rest = b.constant(INT32(int(np.prod(shape[1:]))))
    target = b.tensor((2,), dtype="int32")
    b.operator("PACK", [batch, rest], [target], options("Pack", valuesCount=2, axis=0))
    count = int(np.prod(shape[1:])) if wide else 1
    out = b.tensor((1, count), scale=0.1, signature=(-1, count if wide else -1), name="flat")
    b.operator("RESHAPE", [y, target], [out], schema.ReshapeOptionsT())
    last = b.tensor((1, count), scale=output_scale, signature=(-1, count if wide else -1))
    b.operator("RELU", [out], [last])
    return b.finish([given], [last])


def test_a_shape_that_is_computed_becomes_a_constant() -> None:
    given = flatten()
    settled = settle(given)
    assert [name for _, name in settled.folded] == ["SHAPE", "STRIDED_SLICE", "PACK"]
    assert names(settled.data) == ["RELU", "RESHAPE", "RELU"]
    assert str(settled) == (
        "with batch size 1, the results of 3 operators are constants: PACK, SHAPE, STRIDED_SLICE"
    )
    assert_exact(settled.data, c=False)
    check_rewritten(given, settled.data, "net")


def test_sizes_that_the_converter_did_not_know_are_found() -> None:
    model = parse(settle(flatten(wide=False)).data, "net")
    assert [model.tensors[n.outputs[0]].shape for n in model.nodes] == [(1, 4, 3), (1, 12), (1, 12)]
    assert model.free.keys() <= set(model.inputs) | {1}


def test_a_settled_model_is_not_touched() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1, signature=(-1, 4))
    y = b.tensor((1, 4), scale=0.1, signature=(-1, 4))
    b.operator("RELU", [x], [y])
    model = b.finish([x], [y])
    assert settle(model).data == model
    assert settle(settle(flatten()).data).folded == ()


def test_other_free_sizes_of_an_input_are_refused() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 1, 3), scale=0.1, signature=(-1, -1, 3), name="sequence")
    y = b.tensor((1, 1, 3), scale=0.1, signature=(-1, -1, 3))
    b.operator("RELU", [x], [y])
    with pytest.raises(UnsupportedModelError, match="'sequence' is not fixed: \\[-1, -1, 3\\]"):
        settle(b.finish([x], [y]), "net")


def test_a_size_that_stays_unknown_is_refused_by_name() -> None:
    """No rule says the output of CUMSUM; its input is not what the file says."""
    b = ModelBuilder()
    x = b.tensor((1, 4, 3), scale=0.1, signature=(-1, 4, 3))
    target = b.constant(INT32([4, 3]))
    y = b.tensor((1, 3), scale=0.1, signature=(-1, 3))
    b.operator("RESHAPE", [x, target], [y], schema.ReshapeOptionsT())
    z = b.tensor((1, 1), scale=0.1, signature=(-1, -1), name="sums")
    b.operator("CUMSUM", [y, b.constant(INT32(0))], [z], schema.CumsumOptionsT())
    settled = settle(b.finish([x], [z]))
    with pytest.raises(UnsupportedModelError, match="'sums' is not fixed"):
        parse(settled.data, "net")


def test_the_values_of_an_unknown_shape_are_not_guessed() -> None:
    """RESHAPE to what CUMSUM computes: the file has sizes of 1, which may be wrong."""
    b = ModelBuilder()
    x = b.tensor((1, 4, 3), scale=0.1, signature=(-1, 4, 3))
    target = b.tensor((2,), dtype="int32")
    b.operator(
        "CUMSUM", [b.constant(INT32([4, -1])), b.constant(INT32(0))], [target], options("Cumsum")
    )
    y = b.tensor((1, 1), scale=0.1, signature=(-1, -1), name="flat")
    b.operator("RESHAPE", [x, target], [y], schema.ReshapeOptionsT())
    settled = settle(b.finish([x], [y]))
    assert settled.folded == ()
    with pytest.raises(UnsupportedModelError, match="'flat' is not fixed"):
        parse(settled.data, "net")


def test_filled_floats_become_a_constant() -> None:
    b = ModelBuilder()
    x, y = (b.tensor((1, 2), scale=0.1) for _ in range(2))
    filled, last = b.tensor((1, 2), dtype="float32"), b.tensor((1, 2), dtype="float32")
    b.operator(
        "FILL", [b.constant(INT32([1, 2])), b.constant(np.float32(2.5))], [filled], options("Fill")
    )
    b.operator("DEQUANTIZE", [x], [y])
    b.operator("ADD", [y, filled], [last], options("Add"))
    settled = settle(b.finish([x], [last]))
    assert [name for _, name in settled.folded] == ["FILL"]
    assert parse(settled.data, "net").tensors[filled].array().tolist() == [[2.5, 2.5]]


def test_an_output_of_the_model_is_not_folded() -> None:
    model = computes("ADD", *TFLM_RUNS["ADD"])
    assert settle(model).data == model


def test_one_operator_is_one_result() -> None:
    settled = settle(integers_as_shape("PACK"))
    assert str(settled) == "with batch size 1, the result of 1 operator is a constant: PACK"


def test_a_transposed_batch_is_fixed_without_folding() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4, 3), scale=0.1, signature=(-1, 4, 3))
    y = b.tensor((4, 1, 3), scale=0.1, signature=(4, -1, 3))
    b.operator("TRANSPOSE", [x, b.constant(INT32([1, 0, 2]))], [y], schema.TransposeOptionsT())
    given = b.finish([x], [y])
    with pytest.raises(UnsupportedModelError, match="not fixed"):
        parse(given, "net")
    settled = settle(given)
    assert settled.folded == ()
    assert parse(settled.data, "net").tensors[y].shape == (4, 1, 3)
    assert_exact(settled.data, c=False)


def computes(name: str, inputs: Sequence[Any], shape: Sequence[int], *rest: Any) -> bytes:
    """RELU, and an operator on integer constants whose result is output 1 of the model."""
    b = ModelBuilder()
    x, y = (b.tensor((1, 2), scale=0.1) for _ in range(2))
    b.operator("RELU", [x], [y])
    constants = [b.constant(values) for values in inputs]
    outs = [b.tensor(shape, dtype="int32") for _ in range(2 if name in PARTS else 1)]
    version = 2 if name == "BROADCAST_TO" else 1
    b.operator(name, constants, outs, *rest, version=version)
    return b.finish([x], [y, outs[-1]])


def read_as_shape(model: bytes) -> tuple[bytes, int]:
    """The same model, but its integers are not an output: a RESHAPE reads them.

    Returns:
        The model, and the number of the tensor.
    """
    tree = schema.ModelT.InitFromPackedBuf(model)
    graph = tree.subgraphs[0]
    number = int(graph.outputs[1])
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
    reader = schema.OperatorT()
    reader.opcodeIndex = len(tree.operatorCodes)
    reader.inputs, reader.outputs = [graph.outputs[0], number], [len(graph.tensors)]
    tree.operatorCodes.append(code)
    graph.operators.append(reader)
    graph.tensors.append(graph.tensors[graph.outputs[0]])
    graph.outputs = reader.outputs
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output()), number


A, B = INT32([[7, -3, 0], [5, 2, -9]]), INT32([[2, 4, -5], [-3, 8, 1]])
PARTS = ("SPLIT", "SPLIT_V", "UNPACK")
TFLM_RUNS = {
    "ADD": ([A, B], (2, 3), options("Add")),
    "SUB": ([A, B[0]], (2, 3), options("Sub")),
    "MUL": ([A, B], (2, 3), options("Mul")),
    "MAXIMUM": ([A, B], (2, 3), options("MaximumMinimum")),
    "PACK": ([A, B], (2, 2, 3), options("Pack", valuesCount=2, axis=1)),
    "CONCATENATION": ([A, B], (2, 6), options("Concatenation", axis=-1)),
    "STRIDED_SLICE": (
        [A, INT32([1, -1]), INT32([0, -4]), INT32([-1, -2])],
        (1, 2),
        options("StridedSlice"),
    ),
    "FILL": ([INT32([2, 2]), INT32(-7)], (2, 2), options("Fill")),
    "RESHAPE": ([A, INT32([3, 2])], (3, 2), options("Reshape")),
}
TFLM_LACKS = {
    "GATHER": ([A, INT32([1, 0, 1])], (3, 3), options("Gather")),
    "EXPAND_DIMS": ([A, INT32([0])], (1, 2, 3), options("ExpandDims")),
    "RANGE": ([INT32(5), INT32(-4), INT32(-3)], (3,), options("Range")),
    "CAST": ([np.int64([3, -5])], (2,), options("Cast", inDataType=4, outDataType=2)),
    "BROADCAST_TO": ([A[0], INT32([2, 3])], (2, 3), options("BroadcastTo")),
    "MINIMUM": ([A, B[0]], (2, 3), options("MaximumMinimum")),
    "DIV": ([A, B], (2, 3), options("Div")),
    "FLOOR_DIV": ([A, B], (2, 3), options("FloorDiv")),
    "FLOOR_MOD": ([A, B], (2, 3), options("FloorMod")),
    "SUM": ([A, INT32([1])], (2,), options("Reducer")),
    "REDUCE_PROD": ([A[:, :2] - B[:, :2], INT32([0, 1])], (1, 1), options("Reducer", keepDims=1)),
    "REDUCE_MAX": ([A, INT32([-1])], (2,), options("Reducer")),
    "REDUCE_MIN": ([A, INT32([0])], (3,), options("Reducer")),
    "TRANSPOSE": ([A, INT32([1, 0])], (3, 2), options("Transpose")),
    "SQUEEZE": ([A[None]], (2, 3), options("Squeeze")),
    "SLICE": ([A, INT32([0, 1]), INT32([-1, 2])], (2, 2), options("Slice")),
    "SPLIT": ([INT32(0), A], (1, 3), options("Split", numSplits=2)),
    "SPLIT_V": ([A, INT32([1, 1]), INT32(0)], (1, 3), options("SplitV", numSplits=2)),
    "UNPACK": ([A], (3,), options("Unpack", num=2, axis=0)),
}


def integers_as_shape(name: str) -> bytes:
    """A model that reads what an operator computes from integer constants."""
    table = TFLM_RUNS if name in TFLM_RUNS else TFLM_LACKS
    return read_as_shape(computes(name, *table[name]))[0]


def assert_folded(name: str, model: bytes, expected: np.ndarray[Any, Any]) -> None:
    given, number = read_as_shape(model)
    settled = settle(given)
    assert [found for _, found in settled.folded] == [name]
    found = parse(settled.data, "net").tensors[number].array()
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("name", TFLM_RUNS)
def test_integers_are_those_of_tflm(name: str) -> None:
    model = computes(name, *TFLM_RUNS[name])
    assert_folded(name, model, run_here(model, [np.zeros((1, 1, 2), np.int8)], 2, 1 << 16)[1][0])


@pytest.mark.slow
@pytest.mark.parametrize("name", TFLM_LACKS)
def test_integers_are_those_of_tensorflow_lite(name: str) -> None:
    """Of operators that TFLM lacks, or has for int8 only."""
    model = computes(name, *TFLM_LACKS[name])
    assert_folded(name, model, run_lite(model, [np.zeros((1, 2), np.int8)])[1])


LACKING = {
    "GATHER": A[[1, 0, 1]],
    "EXPAND_DIMS": A[None],
    "RANGE": [5, 2, -1],
    "CAST": [3, -5],
    "BROADCAST_TO": [A[0], A[0]],
    "MINIMUM": [[2, -3, -5], [2, 2, -9]],
    "DIV": [[3, 0, 0], [-1, 0, -9]],
    "FLOOR_DIV": [[3, -1, 0], [-2, 0, -9]],
    "FLOOR_MOD": [[1, 1, 0], [-1, 2, 0]],
    "SUM": [4, -2],
    "REDUCE_PROD": [[1680]],
    "REDUCE_MAX": [7, 5],
    "REDUCE_MIN": [5, -3, -9],
    "TRANSPOSE": A.T,
    "SQUEEZE": A,
    "SLICE": A[:, 1:],
    "SPLIT": A[1:],
    "SPLIT_V": A[1:],
    "UNPACK": A[1],
}


@pytest.mark.parametrize("name", TFLM_LACKS)
def test_integers_that_tflm_does_not_compute(name: str) -> None:
    """The same numbers as above, where TensorFlow Lite is not installed."""
    assert_folded(name, computes(name, *TFLM_LACKS[name]), INT32(LACKING[name]))


@pytest.mark.parametrize("axis", [0, -2])
@pytest.mark.parametrize("kept", [0, 1])
def test_axes_count_from_either_end(axis: int, kept: int) -> None:
    shape = (1, 3) if kept else (3,)
    model = computes("REDUCE_MAX", [A, INT32([axis])], shape, options("Reducer", keepDims=kept))
    assert_folded("REDUCE_MAX", model, INT32([7, 2, 0]).reshape(shape))


def run_lite(model: bytes, inputs: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """The reference kernels of TensorFlow Lite; input sizes are those of the file."""
    import tensorflow as tf

    kernels = tf.lite.experimental.OpResolverType.BUILTIN_REF
    interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


@pytest.mark.parametrize(
    ("name", "inputs", "shape", "rest"),
    [
        ("MUL", [INT32([2**30]), INT32([2])], (1,), (options("Mul"),)),  # leaves 32 bits
        ("DIV", [INT32([1]), INT32([0])], (1,), (options("Div"),)),
        ("RANGE", [INT32(0), INT32(9), INT32(0)], (9,), (options("Range"),)),
        ("GATHER", [INT32([1, 2]), INT32([2])], (1,), (options("Gather"),)),  # outside
        ("ADD", [A, INT32([1, 2])], (2, 3), (options("Add"),)),  # no common shape
        ("ADD", [A, B], (3, 2), (options("Add"),)),  # not the shape of the file
        ("FILL", [INT32([2, -1]), INT32(0)], (2, 2), (options("Fill"),)),
        ("FILL", [INT32([2**30]), INT32(0)], (2,), (options("Fill"),)),
        ("REDUCE_PROD", [A, INT32([2])], (2, 3), (options("Reducer"),)),
        ("REDUCE_MAX", [A, INT32([-3])], (3,), (options("Reducer"),)),
        ("ADD", [A, B], (2, 3), (options("Add", fusedActivationFunction=1),)),
        ("SUB", [INT32([-(2**31)]), INT32([1])], (1,), (options("Sub"),)),  # leaves 32 bits
        ("FILL", [INT32([2]), INT32([1, 2])], (2,), (options("Fill"),)),
        ("FILL", [INT32([2]), np.int64(1)], (2,), (options("Fill"),)),
        ("RANGE", [INT32([0, 1]), INT32(2), INT32(1)], (2,), (options("Range"),)),
        ("FLOOR_MOD", [INT32([1]), INT32([0])], (1,), (options("FloorMod"),)),
        ("ADD", [np.float32([1]), INT32([1])], (1,), (options("Add"),)),
    ],
)
def test_what_is_not_certain_is_left_alone(
    name: str, inputs: list[Any], shape: tuple[int, ...], rest: tuple[Any, ...]
) -> None:
    given, _ = read_as_shape(computes(name, inputs, shape, *rest))
    assert settle(given).data == given


CODES = sorted({*_COMPUTE, *_RULES})
KINDS = ("int32", "int64", "bool", "float32", "int8")
VALUES = [
    np.int32(-1),
    np.int32([2**31 - 1, 2**31 - 1]),
    np.int32([0]),
    np.int64([2**62, -(2**63)]),
    np.int32([[1, -1], [2, 0]]),
    np.float32([np.nan, np.inf]),
    np.array([True, False]),
    np.int8([[1, 2, 3]]),
    np.arange(30, dtype=np.int32),
]


@given(st.data())
@settings(max_examples=400)
def test_damaged_operators_are_left_alone_or_refused(data: st.DataObject) -> None:
    """Any number of inputs and outputs, of any type and shape, with or without options."""
    b = ModelBuilder()
    x = b.tensor((1, 2), scale=0.1, signature=(-1, 2))
    y = b.tensor((1, 2), scale=0.1, signature=(-1, 2))
    b.operator("RELU", [x], [y])
    numbers = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    name = numbers[data.draw(st.sampled_from(CODES))]
    read = [
        y if values is None else -1 if values is False else b.constant(values)
        for values in data.draw(st.lists(st.sampled_from([None, False, *VALUES]), max_size=4))
    ]
    outs = [
        b.tensor(shape, dtype=dtype, signature=signature)
        for dtype, (shape, signature) in data.draw(
            st.lists(
                st.tuples(
                    st.sampled_from(KINDS),
                    st.sampled_from([((), None), ((2,), None), ((1, 1), (-1, -1)), ((1,), (-1,))]),
                ),
                max_size=2,
            )
        )
    ]
    b.operator(name, read, outs)
    model = b.finish([x], [y])
    kept = patch("tflm_ext.rewrite.settle.edited", lambda given, edit: given)
    with kept, contextlib.suppress(UnsupportedModelError):
        settle(model)


def test_constants_of_a_hostile_file_stay_small() -> None:
    """Each FILL is allowed; together they would be 600 times the file."""
    b = ModelBuilder()
    x, y = (b.tensor((1, 2), scale=0.1) for _ in range(2))
    b.operator("RELU", [x], [y])
    dims, value = b.constant(INT32([1 << 14])), b.constant(INT32(0))
    for _ in range(100):
        out, last = b.tensor((1 << 14,), dtype="int32"), b.tensor((1, 2), scale=0.1)
        b.operator("FILL", [dims, value], [out], options("Fill"))
        b.operator("RESHAPE", [y, out], [last])
    settled = settle(b.finish([x], [last]))
    assert len(settled.folded) == 4
    assert len(settled.data) < 1 << 19


@pytest.mark.parametrize("sizes", [(1,), (5,), (3, 1, 2), (2, 3, 4, 2)])
def test_flatten_of_any_shape(sizes: tuple[int, ...]) -> None:
    settled = settle(flatten((1, *sizes)))
    assert len(settled.folded) == 3
    assert_exact(settled.data, c=False)


def test_a_rewrite_that_changes_something_is_an_error() -> None:
    run = [TflmRun((np.int8([[1, n]]),), {}, 0) for n in (2, 3)]
    with pytest.raises(VerificationError, match="1 values of output 0 changed by x"):
        require_equal(*run, "x")


@pytest.mark.parametrize("float_port", [False, True])
def test_a_settled_model_that_computes_something_else_is_an_error(float_port: bool) -> None:
    model = flatten(float_port=float_port)
    check_rewritten(model, settle(model).data, "net")
    other = settle(flatten(float_port=float_port, output_scale=0.2)).data
    with pytest.raises(VerificationError, match="changed by the rewrites before"):
        check_rewritten(model, other, "net")


def test_a_given_model_that_tflm_does_not_run_is_not_compared() -> None:
    """The converter left a size at 1."""
    model = flatten(wide=False)
    with pytest.raises(RuntimeError):
        run_here(model, [np.zeros((1, 1, 4, 3), np.int8)], 1, 1 << 16)
    check_rewritten(model, settle(model).data, "net")


def keras_nets(layers: Any) -> dict[str, tuple[tuple[int, ...], list[Any]]]:
    """Where Keras computes shapes."""
    image = (8, 8, 4)
    return {
        "Flatten": (image, [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]),
        "Reshape": (image, [layers.Conv2D(4, 3), layers.Reshape((-1, 4)), layers.Conv1D(3, 3)]),
        "Conv2DTranspose": (image, [layers.Conv2DTranspose(4, 3, 2), layers.Conv2D(2, 1)]),
        "Conv1DTranspose": ((8, 4), [layers.Conv1DTranspose(4, 3, 2), layers.Conv1D(2, 1)]),
        "GroupNormalization": (image, [layers.Conv2D(4, 3), layers.GroupNormalization(2)]),
        "LayerNormalization": ((6, 8), [layers.LayerNormalization(), layers.Dense(3)]),
        "TimeDistributed": (
            (5, 8),
            [layers.TimeDistributed(layers.Dense(3)), layers.Flatten(), layers.Dense(2)],
        ),
        "Dense on sequences": ((5, 4), [layers.Dense(4, "relu"), layers.Dense(2, "tanh")]),
        "LSTM": ((5, 4), [layers.LSTM(4, unroll=True), layers.Dense(2)]),
        "GRU": ((5, 4), [layers.GRU(4, unroll=True), layers.Dense(2)]),
        "Permute": (image, [layers.Permute((3, 1, 2)), layers.Flatten(), layers.Dense(2)]),
        "Resizing": (image, [layers.Resizing(12, 12), layers.Flatten(), layers.Dense(2)]),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "Flatten",
        "Reshape",
        "Conv2DTranspose",
        "Conv1DTranspose",
        "GroupNormalization",
        "LayerNormalization",
        "TimeDistributed",
        "Dense on sequences",
        "LSTM",
        "GRU",
        "Permute",
        "Resizing",
    ],
)
def test_tensorflows_own_recipe_with_a_free_batch(name: str, keras: Any) -> None:
    """Read, exact against TFLM, and the shapes are those that TensorFlow Lite computes."""
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    shape, layers = keras_nets(keras.layers)[name]
    model = keras.Sequential([keras.Input(shape), *layers])
    draw = np.random.default_rng(0)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [draw.random((1, *shape), dtype=np.float32)] for _ in range(20)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    original = converter.convert()
    settled = settle(original, name).data
    parsed = parse(settled, name)
    assert not {n for n in names(settled) if n in ("SHAPE", "REDUCE_PROD", "FILL")}
    sample = draw.integers(-128, 128, (1, *shape), np.int8)
    (lite,) = run_lite(original, [sample])
    assert parsed.tensors[parsed.outputs[0]].shape == lite.shape
    (ours,) = run_here(settled, [sample[None]], 1, 1 << 20)
    assert np.abs(ours[0].astype(int) - lite.astype(int)).max() <= 1  # their kernels may differ
    check_rewritten(original, settled, name)
    assert_exact(settled, c=False)
