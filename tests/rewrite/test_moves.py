"""Operators that move values in float32 between int8 operators of one scale move int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact, run_here
from tests.rewrite.test_settle import names, options
from tests.tflite_builder import ModelBuilder
from tflm_ext import export
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.frontend.parse import parse
from tflm_ext.rewrite import narrow_moves
from tflm_ext.rewrite.moves import _edit
from tflm_ext.verify.unchanged import check_rewritten

SCALE = 0.1


class Net(ModelBuilder):
    """int8 tensors of one scale, unless another is given."""

    def int8(self, shape: tuple[int, ...], scale: float = SCALE) -> int:
        return self.tensor(shape, scale=scale, zero_point=3)

    def relu(self, x: int, shape: tuple[int, ...]) -> int:
        y = self.int8(shape)
        self.operator("RELU", [x], [y])
        return y

    def real(self, x: int, shape: tuple[int, ...]) -> int:
        y = self.tensor(shape, dtype="float32")
        self.operator("DEQUANTIZE", [x], [y], schema.DequantizeOptionsT())
        return y

    def quantized(self, x: int, shape: tuple[int, ...], scale: float = SCALE) -> int:
        y = self.int8(shape, scale)
        self.operator("QUANTIZE", [x], [y], schema.QuantizeOptionsT())
        return y

    def split(self, x: int, count: int, shape: tuple[int, ...]) -> list[int]:
        parts = [self.tensor(shape, dtype="float32") for _ in range(count)]
        self.operator(
            "SPLIT", [self.constant(np.int32(1)), x], parts, options("Split", numSplits=count)
        )
        return parts

    def reshaped(self, x: int, shape: tuple[int, ...]) -> int:
        y = self.tensor(shape, dtype="float32")
        self.operator("RESHAPE", [x, self.constant(np.int32(shape))], [y], schema.ReshapeOptionsT())
        return y


def gates(scale: float = SCALE, *, unread: bool = False) -> bytes:
    """SPLIT in float32, as in an unrolled LSTM; the scale is that of the last part."""
    net = Net()
    x = net.int8((1, 12))
    parts = net.split(net.real(net.relu(x, (1, 12)), (1, 12)), 3, (1, 4))
    scales = [SCALE, SCALE, scale][: 2 if unread else 3]
    outputs = [
        net.relu(net.quantized(part, (1, 4), s), (1, 4))
        for part, s in zip(parts, scales, strict=False)
    ]
    return net.finish([x], outputs)


def chain() -> bytes:
    """RESHAPE and SPLIT in float32, one after another."""
    net = Net()
    x = net.int8((1, 12))
    wide = net.reshaped(net.real(net.relu(x, (1, 12)), (1, 12)), (1, 6, 2))
    parts = net.split(wide, 2, (1, 3, 2))
    return net.finish([x], [net.relu(net.quantized(p, (1, 3, 2)), (1, 3, 2)) for p in parts])


def output_of_the_model() -> bytes:
    net = Net()
    x = net.int8((1, 12))
    parts = net.split(net.real(net.relu(x, (1, 12)), (1, 12)), 3, (1, 4))
    return net.finish([x], [net.quantized(part, (1, 4)) for part in parts])


def two_splits() -> bytes:
    """The second one splits what the first one made."""
    net = Net()
    x = net.int8((1, 12))
    first = net.split(net.real(net.relu(x, (1, 12)), (1, 12)), 2, (1, 6))
    again = net.split(net.real(net.quantized(first[1], (1, 6)), (1, 6)), 2, (1, 3))
    last = [net.relu(net.quantized(part, (1, 3)), (1, 3)) for part in again]
    return net.finish([x], [net.relu(net.quantized(first[0], (1, 6)), (1, 6)), *last])


def joined() -> bytes:
    """Two RESHAPE, and a CONCATENATION of what they move: one region."""
    net = Net()
    x = net.int8((1, 12))
    read = net.relu(x, (1, 12))
    parts = [net.reshaped(net.real(read, (1, 12)), (1, 3, 4)) for _ in range(2)]
    y = net.tensor((1, 6, 4), dtype="float32")
    net.operator("CONCATENATION", parts, [y], options("Concatenation", axis=1))
    return net.finish([x], [net.relu(net.quantized(y, (1, 6, 4)), (1, 6, 4))])


def real_output() -> bytes:
    """The float32 values that move are an output, too."""
    net = Net()
    x = net.int8((1, 12))
    real = net.real(net.relu(x, (1, 12)), (1, 12))
    y = net.quantized(net.reshaped(real, (1, 3, 4)), (1, 3, 4))
    return net.finish([x], [real, net.relu(y, (1, 3, 4))])


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (real_output(), ["RELU", "DEQUANTIZE", "RESHAPE", "RELU"]),
        (joined(), ["RELU", "RESHAPE", "RESHAPE", "CONCATENATION", "RELU"]),
        (gates(), ["RELU", "SPLIT", "RELU", "RELU", "RELU"]),
        (gates(unread=True), ["RELU", "SPLIT", "RELU", "RELU"]),
        (chain(), ["RELU", "RESHAPE", "SPLIT", "RELU", "RELU"]),
        (output_of_the_model(), ["RELU", "SPLIT", "QUANTIZE", "QUANTIZE", "QUANTIZE"]),
        (two_splits(), ["RELU", "SPLIT", "SPLIT", "RELU", "RELU", "RELU"]),
    ],
    ids=["real_output", "joined", "gates", "unread", "chain", "output", "two_splits"],
)
def test_values_move_in_int8(model: bytes, left: list[str]) -> None:
    with pytest.raises(UnsupportedModelError):
        read_graph(model, run=run_here)
    found = narrow_moves(model)
    assert sorted(names(found)) == sorted(left)
    check_rewritten(model, found, "net")
    assert_exact(found, c=False)
    assert narrow_moves(found) == found


MOVERS = [
    "CONCATENATION",
    "RESHAPE",
    "TRANSPOSE",
    "SQUEEZE",
    "STRIDED_SLICE",
    "SPLIT",
    "SLICE",
    "EXPAND_DIMS",
    "PACK",
    "UNPACK",
    "SPLIT_V",
]


@pytest.mark.parametrize("operator", MOVERS)
def test_every_operator_that_moves_values_does_so_in_int8(operator: str) -> None:
    net = Net()
    x, y = net.int8((1, 12)), net.tensor((1, 12), dtype="float32")
    net.operator(operator, [net.real(net.relu(x, (1, 12)), (1, 12))], [y])
    model = net.finish([x], [net.relu(net.quantized(y, (1, 12)), (1, 12))])
    edit = _edit(parse(model, "net"))
    assert edit is not None
    assert edit.removed == (1, 3)  # DEQUANTIZE and QUANTIZE


def computes() -> bytes:
    net = Net()
    x = net.int8((1, 12))
    parts = net.split(net.real(x, (1, 12)), 2, (1, 6))
    y = net.tensor((1, 6), dtype="float32")
    net.operator("ADD", parts, [y], schema.AddOptionsT())
    return net.finish([x], [net.quantized(y, (1, 6))])


def float_input() -> bytes:
    net = Net()
    x = net.tensor((1, 12), dtype="float32")
    return net.finish([x], [net.quantized(net.reshaped(x, (1, 3, 4)), (1, 3, 4))])


def float_output() -> bytes:
    net = Net()
    x = net.int8((1, 12))
    first, second = net.split(net.real(x, (1, 12)), 2, (1, 6))
    return net.finish([x], [net.quantized(first, (1, 6)), second])


def quantised_by_another_operator() -> bytes:
    """Only QUANTIZE leaves the numbers as they are."""
    net = Net()
    x = net.int8((1, 12))
    y = net.int8((1, 3, 4))
    net.operator("RELU", [net.reshaped(net.real(x, (1, 12)), (1, 3, 4))], [y])
    return net.finish([x], [y])


def read_by_two_operators() -> bytes:
    """One of them computes in float32."""
    net = Net()
    x = net.int8((1, 12))
    moved = net.reshaped(net.real(x, (1, 12)), (1, 3, 4))
    y = net.tensor((1, 3, 4), dtype="float32")
    net.operator("RELU", [moved], [y])
    outputs = [net.quantized(moved, (1, 3, 4)), net.quantized(y, (1, 3, 4))]
    return net.finish([x], outputs)


def dequantised_by_its_operator() -> bytes:
    """As no converter writes it: RESHAPE of int8 to float32."""
    net = Net()
    x = net.int8((1, 12))
    return net.finish([x], [net.quantized(net.reshaped(x, (1, 3, 4)), (1, 3, 4))])


def per_channel() -> bytes:
    net = Net()
    x = net.tensor((2, 1), scale=[0.1, 0.2])
    y = net.tensor((2,), scale=[0.1, 0.2])
    moved = net.reshaped(net.real(x, (2, 1)), (2,))
    net.operator("QUANTIZE", [moved], [y], schema.QuantizeOptionsT())
    return net.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        gates(0.2),
        computes(),
        float_input(),
        float_output(),
        quantised_by_another_operator(),
        read_by_two_operators(),
        dequantised_by_its_operator(),
        per_channel(),
    ],
    ids=["scale", "ADD", "input", "output", "RELU", "readers", "RESHAPE", "channels"],
)
def test_what_needs_float32_is_left_alone(model: bytes) -> None:
    assert narrow_moves(model) == model


@pytest.mark.parametrize("inputs", [[], [-1], [0, 0], [0, -1]])
def test_a_damaged_dequantize_is_refused(inputs: list[int]) -> None:
    net = Net()
    x, y = net.int8((1, 12)), net.tensor((1, 12), dtype="float32")
    net.operator("DEQUANTIZE", inputs, [y], schema.DequantizeOptionsT())
    check_damaged(net.finish([x], [net.quantized(net.reshaped(y, (1, 3, 4)), (1, 3, 4))]))


@pytest.mark.parametrize("outputs", [0, 2])
def test_a_damaged_quantize_is_refused(outputs: int) -> None:
    net = Net()
    x, y = net.int8((1, 12)), net.int8((1, 12))
    moved = net.reshaped(net.real(x, (1, 12)), (1, 3, 4))
    written = [net.int8((1, 3, 4)) for _ in range(outputs)]
    net.operator("QUANTIZE", [moved], written, schema.QuantizeOptionsT())
    net.operator("RELU", [x], [y])
    check_damaged(net.finish([x], [y, *written]))


def check_damaged(model: bytes) -> None:
    assert narrow_moves(model) == model
    with pytest.raises(UnsupportedModelError):
        read_graph(model, run=run_here)


def test_a_file_with_such_an_operator_is_exported(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(gates())
    result = export(tmp_path / "net.tflite", tmp_path / "net", progress=False)
    assert result.report.vectors and not result.report.warnings


@settings(max_examples=25)
@given(
    st.lists(
        st.sampled_from(["real", "quantized", "other", "split", "reshaped", "relu"]), max_size=9
    ),
    st.integers(0, 99),
)
def test_any_sequence_computes_the_same(kinds: list[str], seed: int) -> None:
    net, draw = Net(), np.random.default_rng(seed)
    shape = (1, 8)
    x = net.int8(shape)
    ints, floats = [x], list[int]()
    for kind in kinds:
        if kind == "real" or not floats:
            floats.append(net.real(ints[draw.integers(len(ints))], shape))
        elif kind in ("quantized", "other"):
            scale = SCALE if kind == "quantized" else 0.2
            ints.append(net.quantized(floats[draw.integers(len(floats))], shape, scale))
        elif kind == "split":
            halves = net.split(floats[draw.integers(len(floats))], 2, (1, 4))
            whole = net.tensor(shape, dtype="float32")
            order = [halves[1], halves[0]]
            net.operator("CONCATENATION", order, [whole], options("Concatenation", axis=1))
            floats.append(whole)
        elif kind == "reshaped":
            floats.append(net.reshaped(floats[draw.integers(len(floats))], shape))
        else:
            ints.append(net.relu(ints[draw.integers(len(ints))], shape))
    model = net.finish([x], [*ints[1:], *floats[-1:]])
    inputs = [draw.integers(-128, 128, (9, *shape)).astype(np.int8)]
    count = len(ints) - 1 + len(floats[-1:])
    before = run_here(model, inputs, count, 1 << 20) if count else []
    after = run_here(narrow_moves(model), inputs, count, 1 << 20) if count else []
    for ours, theirs in zip(after, before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
