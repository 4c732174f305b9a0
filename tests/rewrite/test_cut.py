"""Models whose ends are not int8: the int8 part is kept, and what is missing is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact, run_here
from tests.tflite_builder import ModelBuilder
from tflm_ext import export
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph, strip_ports
from tflm_ext.frontend.parse import parse
from tflm_ext.frontend.subset import subset
from tflm_ext.rewrite import cut

SHAPE = (1, 4, 3)


class Net(ModelBuilder):
    """A net of one RELU in int8, and operators of other types around it."""

    def floats(self, name: str, shape: Sequence[int] = SHAPE) -> int:
        return self.tensor(shape, dtype="float32", name=name)

    def relu(self, x: int, name: str = "core") -> int:
        y = self.tensor(SHAPE, scale=0.1, name=name)
        self.operator("RELU", [x], [y])
        return y

    def apply(self, operator: str, inputs: Sequence[int], y: int) -> int:
        kind = {"LOG_SOFTMAX": "LogSoftmax", "SUB": "Sub", "MUL": "Mul", "ADD": "Add"}
        kind |= {"DEQUANTIZE": "Dequantize", "QUANTIZE": "Quantize", "CAST": "Cast"}
        kind |= {"ARG_MAX": "ArgMax", "EXP": "Exp", "RESHAPE": "Reshape"}
        self.operator(operator, inputs, [y], getattr(schema, f"{kind[operator]}OptionsT")())
        return y

    def quantized(self, x: int, name: str = "q", scale: float = 0.1) -> int:
        return self.apply("QUANTIZE", [x], self.tensor(SHAPE, scale=scale, name=name))

    def real(self, x: int, name: str = "real") -> int:
        return self.apply("DEQUANTIZE", [x], self.floats(name))

    def scaled(self, dtype: str = "float32") -> tuple[int, int]:
        """An input and its int8 values, after SUB and MUL in float32."""
        given = x = self.tensor(SHAPE, dtype=dtype, name="picture:0")
        if dtype != "float32":
            x = self.apply("CAST", [given], self.floats("wide"))
        x = self.apply("SUB", [x, self.constant(np.float32([1, 2, 3]))], self.floats("centred"))
        x = self.apply("MUL", [x, self.constant(np.float32(0.5))], self.floats("scaled"))
        return given, self.quantized(x)


def log_softmax() -> bytes:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    y = net.apply("LOG_SOFTMAX", [net.real(net.relu(x))], net.floats("log"))
    return net.finish([x], [y])


def scaled_floats() -> bytes:
    net = Net()
    given, x = net.scaled()
    return net.finish([given], [net.relu(x)])


def scaled_bytes() -> bytes:
    net = Net()
    given, x = net.scaled("uint8")
    return net.finish([given], [net.relu(x)])


def class_number() -> bytes:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    y = net.tensor(SHAPE[:-1], dtype="int32", name="class")
    net.apply("ARG_MAX", [net.relu(x), net.constant(np.int32(2))], y)
    return net.finish([x], [y])


def both_ends() -> bytes:
    net = Net()
    given, x = net.scaled()
    y = net.apply("LOG_SOFTMAX", [net.real(net.relu(x))], net.floats("log"))
    return net.finish([given], [y])


def quantized_again() -> bytes:
    """LOG_SOFTMAX in float32, and an int8 output."""
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    y = net.apply("LOG_SOFTMAX", [net.real(net.relu(x))], net.floats("log"))
    return net.finish([x], [net.quantized(y, "out")])


def two_outputs_of_one_tail() -> bytes:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    real = net.real(net.relu(x))
    first = net.apply("LOG_SOFTMAX", [real], net.floats("log"))
    second = net.apply("ADD", [first, real], net.floats("sum"))
    return net.finish([x], [first, second])


def one_output_of_two_tensors() -> bytes:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    a, b = net.real(net.relu(x, "a"), "ra"), net.real(net.relu(x, "b"), "rb")
    return net.finish([x], [net.apply("ADD", [a, b], net.floats("sum"))])


def an_island_that_becomes_a_table_beside_a_tail() -> bytes:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    real = net.real(net.relu(x))
    table = net.quantized(net.apply("EXP", [real], net.floats("exp")), "table")
    return net.finish([x], [table, net.apply("LOG_SOFTMAX", [real], net.floats("log"))])


def wide_positions() -> bytes:
    """int64 positions, which become int32 for GATHER."""
    net = Net()
    given = net.tensor((1, 4), dtype="int64", name="words")
    small = net.apply("CAST", [given], net.tensor((1, 4), dtype="int32", name="small"))
    table = net.constant(np.arange(15, dtype=np.int8).reshape(5, 3), scale=[0.1])
    y = net.tensor((1, 4, 3), scale=0.1, name="rows")
    net.operator("GATHER", [table, small], [y], schema.GatherOptionsT())
    return net.finish([given], [y])


CUT = {
    log_softmax: "operators DEQUANTIZE, LOG_SOFTMAX, which come after its int8 output 'core'",
    scaled_floats: "operators SUB, MUL, QUANTIZE, which come before its int8 input 'q'",
    scaled_bytes: "operators CAST, SUB, MUL, QUANTIZE, which come before its int8 input 'q'",
    class_number: "operators ARG_MAX, which come after its int8 output 'core'",
    both_ends: "operators SUB, MUL, QUANTIZE, which come before its int8 input 'q'",
    quantized_again: "DEQUANTIZE, LOG_SOFTMAX, QUANTIZE, which come after its int8 output 'core'",
    two_outputs_of_one_tail: "LOG_SOFTMAX, ADD, which come after its int8 output 'core'",
    one_output_of_two_tensors: "DEQUANTIZE, ADD, which come after its int8 output 'a' and 'b'",
    an_island_that_becomes_a_table_beside_a_tail: "LOG_SOFTMAX, which come after its int8 output",
    wide_positions: "operators CAST, which come before its int8 input 'small'",
}


@pytest.mark.parametrize(
    ("make", "said"), CUT.items(), ids=lambda case: getattr(case, "__name__", "")
)
def test_the_int8_part_is_kept(make: Callable[[], bytes], said: str) -> None:
    model = make()
    with pytest.raises(UnsupportedModelError):
        read_graph(strip_ports(model).data, run=run_here)
    found = cut(model)
    assert said in found.notes[0]
    assert_exact(found.data, c=False)
    assert cut(found.data).data == found.data


def test_each_port_is_named() -> None:
    found = cut(both_ends())
    assert [note.partition(" is ")[0] for note in found.notes] == [
        "input 0 'picture:0'",
        "output 0 'log'",
    ]
    assert found.input_names == {0: "picture:0"}
    assert len(cut(two_outputs_of_one_tail()).notes) == 2
    (note,) = cut(an_island_that_becomes_a_table_beside_a_tail()).notes
    assert note.startswith("output 1 'log'")


@pytest.mark.parametrize(
    ("count", "named"),
    [
        (7, "DEQUANTIZE, EXP, SIN, COS, SQRT, RSQRT, ABS, NEG"),
        (8, "DEQUANTIZE, EXP, SIN, COS, SQRT, RSQRT, ABS, NEG and 1 other kinds"),
        (9, "DEQUANTIZE, EXP, SIN, COS, SQRT, RSQRT, ABS, NEG and 2 other kinds"),
    ],
)
def test_a_note_names_up_to_eight_kinds_of_operators(count: int, named: str) -> None:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    y = net.real(net.relu(x))
    kinds = ["EXP", "SIN", "COS", "SQRT", "RSQRT", "ABS", "NEG", "LOG", "FLOOR"]
    for kind in kinds[:count]:
        read, y = y, net.floats(kind.lower())
        net.operator(kind, [read], [y])
    (note,) = cut(net.finish([x], [y])).notes
    assert f"the operators {named}, which come after" in note


def test_an_operator_with_state_is_not_cut() -> None:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    state = net.tensor(SHAPE, dtype="float32", name="state", variable=True)
    y = net.apply("ADD", [net.real(net.relu(x)), state], net.floats("sum"))
    model = net.finish([x], [y])
    assert cut(model).data == model


def test_an_input_that_becomes_two_gives_its_name_to_neither() -> None:
    net = Net()
    given, plain = net.floats("picture:0"), net.floats("sound:0")
    x = net.apply("MUL", [given, net.constant(np.float32(0.5))], net.floats("scaled"))
    small, large = net.quantized(x, "small"), net.quantized(x, "large", 0.2)
    other = net.apply("EXP", [plain], net.floats("exp"))
    inputs = [small, large, net.quantized(other, "other")]
    found = cut(net.finish([given, plain], [net.relu(i) for i in inputs]))
    model = parse(found.data, "net")
    assert [model.tensors[i].name for i in model.inputs] == ["small", "large", "other"]
    assert found.input_names == {2: "sound:0"}
    assert "which come before its int8 input 'small' and 'large'" in found.notes[0]


def test_the_parts_compute_what_the_whole_computes() -> None:
    whole = both_ends()
    model, core = parse(whole, "net"), parse(cut(whole).data, "net")
    kept = {node.outputs for node in core.nodes}
    numbers = [node.index for node in model.nodes if node.outputs not in kept]
    middle = next(node.index for node in model.nodes if node.outputs in kept)
    head = subset(whole, [i for i in numbers if i < middle], model.inputs, core.inputs)
    tail = subset(whole, [i for i in numbers if i > middle], core.outputs, model.outputs)
    x = np.random.default_rng(0).normal(scale=5, size=(50, *SHAPE)).astype(np.float32)
    values = [x]
    for part in (head, cut(whole).data, tail):
        values = list(run_here(part, values, 1, 1 << 20))
    np.testing.assert_array_equal(values[0], run_here(whole, [x], 1, 1 << 20)[0])


def test_the_readme_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(both_ends())
    export(tmp_path / "net.tflite", tmp_path / "net", progress=False)
    readme = (tmp_path / "net/README.md").read_text("utf-8")
    assert "does not include the operators SUB, MUL, QUANTIZE" in readme
    assert "does not include the operators DEQUANTIZE, LOG_SOFTMAX" in readme


def test_names_in_the_readme_are_text(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    y = net.floats("<script>`rm`\n# heading")
    net.apply("LOG_SOFTMAX", [net.real(net.relu(x))], y)
    (tmp_path / "net.tflite").write_bytes(net.finish([x], [y]))
    export(tmp_path / "net.tflite", tmp_path / "net", progress=False)
    readme = (tmp_path / "net/README.md").read_text("utf-8")
    assert "&lt;script&gt;" in readme and "<script>" not in readme
    assert "`rm`" not in readme.replace("\\`", "") and "\n# heading" not in readme


def weights_in_float32() -> bytes:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    y = net.floats("y", (4, 2))
    weights = net.constant(np.ones((2, 3), np.float32))
    net.operator(
        "FULLY_CONNECTED",
        [net.real(net.relu(x)), weights, -1],
        [y],
        schema.FullyConnectedOptionsT(),
    )
    return net.finish([x], [y])


def float_around_int8() -> bytes:
    """A float32 input that the end reads, too."""
    net = Net()
    given, x = net.scaled()
    y = net.apply("ADD", [net.real(net.relu(x)), given], net.floats("sum"))
    return net.finish([given], [y])


def all_float() -> bytes:
    net = Net()
    x = net.floats("x")
    return net.finish([x], [net.apply("EXP", [x], net.floats("y"))])


def conversions_alone() -> bytes:
    net = Net()
    x = net.floats("x")
    return net.finish([x], [net.real(net.relu(net.quantized(x)))])


def no_int8_operator() -> bytes:
    net = Net()
    x = net.tensor(SHAPE, scale=0.1, name="x")
    return net.finish([x], [net.apply("LOG_SOFTMAX", [net.real(x)], net.floats("log"))])


def positions_and_values() -> bytes:
    """GATHER of int8 values at int32 positions, both inputs: nothing to cut."""
    net = Net()
    x, at = net.tensor((5, 3), scale=0.1), net.tensor((1, 4), dtype="int32")
    y = net.tensor((1, 4, 3), scale=0.1)
    net.operator("GATHER", [x, at], [y], schema.GatherOptionsT())
    return net.finish([x, at], [y])


@pytest.mark.parametrize(
    "make",
    [
        weights_in_float32,
        float_around_int8,
        all_float,
        conversions_alone,
        no_int8_operator,
        positions_and_values,
    ],
    ids=lambda make: make.__name__,
)
def test_other_models_are_left_alone(make: Callable[[], bytes]) -> None:
    model = make()
    assert cut(model).data == model
    assert cut(model).notes == ()


TRAINED = [
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "EMBEDDING_LOOKUP",
    "FULLY_CONNECTED",
    "LSTM",
    "RNN",
    "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "TRANSPOSE_CONV",
    "BATCH_MATMUL",
    "CONV_3D",
]


@pytest.mark.parametrize("operator", TRAINED)
@pytest.mark.parametrize("end", ["head", "tail"])
def test_what_was_trained_is_not_cut(operator: str, end: str) -> None:
    net = Net()
    weights = net.constant(np.ones((3, 3), np.float32))
    x = net.floats("x") if end == "head" else net.tensor(SHAPE, scale=0.1, name="x")
    y = net.floats("y")
    net.operator(operator, [x if end == "head" else net.real(net.relu(x)), weights], [y])
    model = net.finish([x], [net.relu(net.quantized(y)) if end == "head" else y])
    assert cut(model).data == model


OPERATORS = st.lists(
    st.tuples(
        st.sampled_from(["RELU", "QUANTIZE", "DEQUANTIZE", "EXP", "ADD", "LOG_SOFTMAX", "CAST"]),
        st.integers(0, 9),
        st.integers(0, 9),
        st.sampled_from(["int8", "float32", "int32", "uint8"]),
    ),
    min_size=1,
    max_size=8,
)

INPUTS = st.lists(st.sampled_from(["int8", "float32"]), min_size=1, max_size=2)


@settings(max_examples=300)
@given(OPERATORS, st.data())
def test_any_graph_gives_a_valid_model(
    operators: list[tuple[str, int, int, str]], data: st.DataObject
) -> None:
    net = Net()
    tensors = [
        net.tensor(SHAPE, dtype=kind, scale=0.1 if kind == "int8" else None)
        for kind in data.draw(
            st.lists(st.sampled_from(["int8", "float32"]), min_size=1, max_size=2)
        )
    ]
    inputs = list(tensors)
    for name, first, second, kind in operators:
        y = net.tensor(SHAPE, dtype=kind, scale=0.1 if kind == "int8" else None)
        read = [tensors[first % len(tensors)], tensors[second % len(tensors)]]
        net.operator(name, read[: 1 + (name == "ADD")], [y])
        tensors.append(y)
    outputs = data.draw(st.lists(st.sampled_from(tensors[len(inputs) :]), min_size=1, max_size=3))
    model = net.finish(inputs, outputs)
    found = cut(model)
    new = parse(found.data, "net")
    written = {*new.inputs}
    for node in new.nodes:
        assert written.issuperset(node.inputs)
        written.update(node.outputs)
    assert written.issuperset(new.outputs)
    assert (found.data == model) == (not found.notes)
