"""Float islands become tables that TFLM filled in, or are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact, run_here
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.opslib.base import Array

SHAPE = (1, 5, 3)
FUNCTIONS = {
    "ELU": None,
    "SQUARE": schema.SquareOptionsT,
    "NEG": schema.NegOptionsT,
    "EXP": schema.ExpOptionsT,
    "ABS": schema.AbsOptionsT,
    "SIN": None,
    "COS": schema.CosOptionsT,
    "LOGISTIC": None,
    "TANH": None,
    "CEIL": None,
    "FLOOR": None,
    "ROUND": None,
    "RELU": None,
    "RELU6": None,
    "LEAKY_RELU": schema.LeakyReluOptionsT,
    "HARD_SWISH": schema.HardSwishOptionsT,
}


def apply(b: ModelBuilder, name: str, *inputs: int, shape: tuple[int, ...] = SHAPE) -> int:
    """A float32 operator; returns its output."""
    binary = {"ADD": schema.AddOptionsT, "MUL": schema.MulOptionsT, "DIV": schema.DivOptionsT}
    options = FUNCTIONS.get(name) or binary.get(name)
    y = b.tensor(shape, dtype="float32", name=f"net/{name.lower()}/{name}")
    b.operator(name, inputs, [y], options() if options else None)
    return y


def entry(b: ModelBuilder, x: int) -> int:
    return apply(b, "DEQUANTIZE", x)


def leave(b: ModelBuilder, y: int, scale: float = 0.05) -> int:
    out = b.tensor(SHAPE, scale=scale, zero_point=-4)
    b.operator("QUANTIZE", [y], [out])
    return out


def rows(*functions: str) -> bytes:
    """RELU, then functions in float32 one after another, then RELU."""
    b = ModelBuilder()
    x, q = b.tensor(SHAPE, scale=0.03, zero_point=5), b.tensor(SHAPE, scale=0.03, zero_point=5)
    b.operator("RELU", [x], [q])
    y = entry(b, q)
    for name in functions:
        y = apply(b, name, y)
    out = leave(b, y)
    z = b.tensor(SHAPE, scale=0.07)
    b.operator("RELU", [out], [z])
    return b.finish([x], [z])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function(name: str) -> None:
    graph = read_graph(rows(name), run=run_here)
    assert [(n.index, n.operator) for n in graph.nodes] == [(0, "RELU"), (3, "TABLE"), (4, "RELU")]
    assert_exact(rows(name), c=False)


def test_in_c() -> None:
    assert_exact(rows("ELU", "SQUARE", "NEG"))


@given(st.lists(st.sampled_from(sorted(FUNCTIONS)), max_size=4))
def test_any_row(names: list[str]) -> None:
    assert_exact(rows(*names), c=False)


def swish_like() -> bytes:
    """x * sigmoid(x) + 0.5: two ways from the input, and a constant."""
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03, zero_point=5)
    y = entry(b, x)
    half = b.constant(np.array([0.5], np.float32))
    out = leave(b, apply(b, "ADD", apply(b, "MUL", y, apply(b, "LOGISTIC", y)), half))
    return b.finish([x], [out])


def test_ways_may_part_and_meet() -> None:
    assert len(assert_exact(swish_like(), c=False).graph.nodes) == 1


def two_at_once_and_one_behind() -> bytes:
    """Two islands share the DEQUANTIZE; the third begins where the first ends."""
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03, zero_point=5)
    y = entry(b, x)
    first, second = leave(b, apply(b, "NEG", y)), leave(b, apply(b, "SQUARE", y))
    third = leave(b, apply(b, "ELU", entry(b, first)))
    return b.finish([x], [second, third])


def test_islands_run_together_where_they_can() -> None:
    calls = []

    def run(model: bytes, inputs: Sequence[Array], count: int, arena: int) -> Sequence[Array]:
        calls.append((len(inputs), count))
        return run_here(model, inputs, count, arena)

    graph = read_graph(two_at_once_and_one_behind(), run=run)
    assert [n.operator for n in graph.nodes] == ["TABLE"] * 3
    assert calls == [(1, 2), (1, 1)]
    assert_exact(two_at_once_and_one_behind(), c=False)


def test_islands_of_different_shapes_run_one_after_another() -> None:
    b = ModelBuilder()
    inputs, outputs, calls = [], [], []
    for shape in (SHAPE, (1, 300), SHAPE):
        inputs.append(b.tensor(shape, scale=0.03))
        outputs.append(b.tensor(shape, scale=0.05))
        real = apply(b, "NEG", apply(b, "DEQUANTIZE", inputs[-1], shape=shape), shape=shape)
        b.operator("QUANTIZE", [real], [outputs[-1]])

    def run(model: bytes, given: Sequence[Array], count: int, arena: int) -> Sequence[Array]:
        calls.append([column.shape for column in given])
        return run_here(model, given, count, arena)

    graph = read_graph(b.finish(inputs, outputs), run=run)
    assert calls == [[(18, *SHAPE)] * 2, [(1, 1, 300)]]
    assert len({node.options for node in graph.nodes}) == 1


def test_an_interpreter_that_returns_something_else_is_a_bug() -> None:
    for wrong in (np.zeros(18 * 15, np.int16), np.zeros(3, np.int8)):
        with pytest.raises(TypeError, match="returned a type or shape"):
            read_graph(rows("NEG"), run=lambda *_, wrong=wrong: [wrong])  # type: ignore[misc]


def sum_of_two() -> bytes:
    b = ModelBuilder()
    x, y = (b.tensor(SHAPE, scale=0.03) for _ in range(2))
    return b.finish([x, y], [leave(b, apply(b, "ADD", entry(b, x), entry(b, y)))])


def per_channel_constant() -> bytes:
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03)
    c = b.constant(np.array([1, 2, 3], np.float32))
    return b.finish([x], [leave(b, apply(b, "MUL", entry(b, x), c))])


def reduction() -> bytes:
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03)
    y = b.tensor(SHAPE, dtype="float32", name="net/attention/Softmax")
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    b.operator("SOFTMAX", [entry(b, x)], [y], options)
    return b.finish([x], [leave(b, y)])


def circle() -> bytes:
    """An island that reads what it writes."""
    b = ModelBuilder()
    x, q, z = (b.tensor(SHAPE, scale=0.03, name=name) for name in "xqz")
    b.operator("QUANTIZE", [apply(b, "NEG", entry(b, q))], [q])
    b.operator("ADD", [x, q], [z], schema.AddOptionsT())
    return b.finish([x], [z])


def unknown() -> bytes:
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03)
    return b.finish([x], [leave(b, apply(b, "GELU", entry(b, x)))])


def float_output() -> bytes:
    """The port is not a DEQUANTIZE, so it stays and is refused."""
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03)
    return b.finish([x], [apply(b, "ELU", entry(b, x))])


def dead_end() -> bytes:
    b = ModelBuilder()
    x, z = b.tensor(SHAPE, scale=0.03), b.tensor(SHAPE, scale=0.03)
    apply(b, "ELU", entry(b, x))
    b.operator("RELU", [x], [z])
    return b.finish([x], [z])


def long_row() -> bytes:
    return rows(*["NEG"] * 70)


def a_long_way_beside_a_short_one() -> bytes:
    """The short way finds the input before the long one has too many operators.

    The first 40 operators are also a shorter island.
    """
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03)
    ways = [entry(b, x)]
    for _ in range(70):
        ways.append(apply(b, "NEG", ways[-1]))
    return b.finish([x], [leave(b, apply(b, "ADD", ways[70], ways[0])), leave(b, ways[40])])


def constant_input() -> bytes:
    b = ModelBuilder()
    x, z = b.tensor(SHAPE, scale=0.03), b.tensor(SHAPE, scale=0.03)
    c = b.constant(np.ones(SHAPE, np.int8), scale=0.03)
    out = leave(b, apply(b, "NEG", entry(b, c)))
    b.operator("ADD", [x, out], [z], schema.AddOptionsT())
    return b.finish([x], [z])


def another_shape() -> bytes:
    """As no converter writes it: NEG with as many elements in another shape."""
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03)
    return b.finish([x], [leave(b, apply(b, "NEG", entry(b, x), shape=(1, 15)))])


def two_outputs() -> bytes:
    """As no converter writes it."""
    b = ModelBuilder()
    x = b.tensor(SHAPE, scale=0.03)
    first, second = (b.tensor(SHAPE, dtype="float32", name="net/neg/NEG") for _ in range(2))
    b.operator("NEG", [entry(b, x)], [first, second], schema.NegOptionsT())
    return b.finish([x], [leave(b, first)])


def no_output() -> bytes:
    b = ModelBuilder()
    x, z = b.tensor(SHAPE, scale=0.03), b.tensor(SHAPE, scale=0.03)
    b.operator("QUANTIZE", [apply(b, "NEG", entry(b, x))], [])
    b.operator("RELU", [x], [z])
    return b.finish([x], [z])


def works_in_float(number: int, name: str, layer: str) -> str:
    return (
        f"net: operator {number} {name} (Keras layer {layer}) computes in float32, and the float32 "
        "operators around it do not form an elementwise function of one int8 tensor.\nReplace the "
        "layer with one that the converter quantises, or move it out of the model."
    )


REFUSED: dict[str, tuple[bytes, str]] = {
    "two inputs": (sum_of_two(), works_in_float(2, "ADD", "add")),
    "a constant per channel": (per_channel_constant(), works_in_float(1, "MUL", "mul")),
    "too long": (long_row(), works_in_float(2, "NEG", "neg")),
    "too long on one way": (a_long_way_beside_a_short_one(), works_in_float(41, "NEG", "neg")),
    "a constant input": (constant_input(), works_in_float(1, "NEG", "neg")),
    "another shape": (another_shape(), works_in_float(1, "NEG", "neg")),
    "two outputs": (two_outputs(), works_in_float(1, "NEG", "neg")),
    "no output": (
        no_output(),
        (
            "net: not a valid .tflite file: operator 2 QUANTIZE writes nothing.\n"
            "Export the model again, or pass the file that the converter wrote."
        ),
    ),
    "a dead end": (dead_end(), works_in_float(1, "ELU", "elu")),
    "not element by element": (
        reduction(),
        (
            "net: operator 1 SOFTMAX (Keras layer attention) computes in float32.\n"
            "Convert the model with full int8 quantisation; replace layers that cannot be "
            "quantised."
        ),
    ),
    "unknown to TFLM": (
        unknown(),
        "net: operator 1 GELU (Keras layer gelu) is not supported.\nUse relu, silu or hard_silu.",
    ),
    "a circle": (
        circle(),
        (
            "net: not a valid .tflite file: operator 0 DEQUANTIZE reads tensor 1 'q', which "
            "has not been written.\n"
            "Export the model again, or pass the file that the converter wrote."
        ),
    ),
    "float output": (
        float_output(),
        (
            "net: output 0 'net/elu/ELU' is float32, not int8 or int32.\n"
            "Pass the Keras model and calibration_data, or convert with full int8 quantisation "
            "(inference type int8)."
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    model, text = REFUSED[case]
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(model, "net", run=run_here)
    assert str(caught.value) == text


@pytest.mark.parametrize("functions", [62, 63])
def test_an_island_has_at_most_64_operators(functions: int) -> None:
    """With DEQUANTIZE and QUANTIZE."""
    model = rows(*["NEG"] * functions)
    if functions == 62:
        assert len(read_graph(model, run=run_here).nodes) == 3
    else:
        with pytest.raises(UnsupportedModelError, match="operator 2 NEG"):
            read_graph(model, run=run_here)


def test_without_an_interpreter() -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(rows("ELU"), "net")
    assert str(caught.value) == (
        "net: a float32 region begins at operator 1 DEQUANTIZE (Keras layer dequantize).\n"
        "Convert the model with full int8 quantisation."
    )


def test_too_large() -> None:
    b = ModelBuilder()
    shape = (1 << 12, 1 << 12)
    x, z = b.tensor(shape, scale=0.1), b.tensor(shape, scale=0.1)
    y = apply(b, "NEG", apply(b, "DEQUANTIZE", x, shape=shape), shape=shape)
    b.operator("QUANTIZE", [y], [z])

    def never(*_: Any) -> Sequence[Array]:
        raise AssertionError

    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(b.finish([x], [z]), "net", run=never)
    assert str(caught.value) == (
        "net: operator 1 NEG (Keras layer neg) and the float32 operators around it work on "
        "16,777,216 elements, which is too many for a microcontroller.\nMake the layer smaller."
    )
