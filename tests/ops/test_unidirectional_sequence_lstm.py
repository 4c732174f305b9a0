"""UNIDIRECTIONAL_SEQUENCE_LSTM against TensorFlow Lite Micro."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact, facts_for
from tests.tflite_builder import ModelBuilder
from tflm_ext.arithmetic import sigmoid_int16, tanh_int16
from tflm_ext.emit.model import model_files
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import input_ports, read_graph
from tflm_ext.passes import run_passes
from tflm_ext.plan import make_plan
from tflm_ext.reference import run_outputs
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.host import run_host
from tflm_ext.verify.tflm_child import compute
from tflm_ext.verify.vectors import make_vectors


def lstm(
    batches: int = 1,
    steps: int = 4,
    inputs: int = 3,
    units: int = 5,
    time_major: bool = False,
    clip: float = 10.0,
    cell_power: int = -11,
    zero_points: tuple[int, int] = (-5, 9),
    scales: tuple[float, float] = (0.05, 1 / 128),
    weight_scale: float = 0.01,
    activation: int = schema.ActivationFunctionType.TANH,
    variable: bool = True,
    peephole: bool = False,
    per_channel: bool = False,
    cell_shape: tuple[int, ...] | None = None,
    seed: int = 0,
) -> bytes:
    """A model of one LSTM with random weights."""
    generator = np.random.default_rng(seed)
    b = ModelBuilder()
    first = (steps, batches) if time_major else (batches, steps)
    x = b.tensor((*first, inputs), scale=scales[0], zero_point=zero_points[0])
    numbers = [-1] * 24
    numbers[0] = x
    for gate in range(4):
        for first_number, depth in ((1, inputs), (5, units)):
            values = generator.integers(-127, 128, (units, depth), np.int8)
            own = weight_scale * generator.uniform(0.5, 1.5, units if per_channel else 1)
            numbers[first_number + gate] = b.constant(values, scale=own)
        bias = generator.integers(-2000, 2000, units, np.int32)
        numbers[12 + gate] = b.constant(bias, scale=scales[0] * weight_scale)
    if peephole:
        numbers[9] = b.constant(np.zeros(units, np.int16), scale=1.0)
    hidden = {"scale": scales[1], "zero_point": zero_points[1]}
    numbers[18] = b.tensor((batches, units), variable=variable, **hidden)
    numbers[19] = b.tensor(
        cell_shape or (batches, units), dtype="int16", scale=2.0**cell_power, variable=True
    )
    y = b.tensor((*first, units), **hidden)
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = activation
    options.cellClip = clip
    options.timeMajor = time_major
    b.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", numbers, [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        lstm(),
        lstm(batches=2, time_major=True, clip=0.0, cell_power=-15, zero_points=(127, -128)),
        lstm(batches=2, units=8, clip=1.5, weight_scale=0.05, zero_points=(-128, 127)),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@settings(max_examples=40)
@given(
    batches=st.integers(1, 3),
    steps=st.integers(1, 5),
    inputs=st.integers(1, 6),
    units=st.integers(1, 6),
    time_major=st.booleans(),
    clip=st.sampled_from([0.0, 0.7, 10.0, 1e9, math.inf]),
    cell_power=st.integers(-20, 2),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    scales=st.tuples(st.floats(0.001, 1.0), st.floats(0.002, 0.1)),
    weight_scale=st.sampled_from([0.001, 0.01, 0.2]),
    seed=st.integers(0, 99),
)
def test_numpy_equals_tflm(**drawn: object) -> None:
    assert_exact(lstm(**drawn), c=False)


def test_reset_starts_anew() -> None:
    model = lstm(zero_points=(3, -77))
    graph = read_graph(model)
    vectors = make_vectors(input_ports(graph))
    (expected,), _ = compute(model, vectors, 1, arena_for(graph), reset_each=True)
    for vector, output in zip(vectors[0], expected, strict=True):
        np.testing.assert_array_equal(run_outputs(graph, [vector])[0], output)
    plan = make_plan(run_passes(graph).graph)
    facts = facts_for(model, graph, plan, "net")
    got = run_host(facts, model_files(facts, plan), vectors, reset_each=True).outputs[0]
    np.testing.assert_array_equal(got.reshape(expected.shape), expected)
    (running,), _ = compute(model, vectors, 1, arena_for(graph))
    assert not np.array_equal(running, expected)


def test_activations_are_close_to_the_functions() -> None:
    """A wrong entry in the table of 256 would break this symmetry."""
    x = np.arange(-32768, 32768)
    real = x / 4096
    assert np.abs(sigmoid_int16(x) / 2**15 - 1 / (1 + np.exp(-real))).max() < 4e-5
    assert np.abs(tanh_int16(x, 3, 0) / 2**15 - np.tanh(real)).max() < 6e-5


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (lstm(peephole=True), "it is not a plain LSTM"),
        (lstm(activation=1), "its activation is number 1, not tanh"),
        (lstm(variable=False), "which has not been written"),
        (lstm(cell_power=3), "a power of two from 2**-28 to 4"),
        (lstm(cell_shape=(5,)), "its shape is [5], but the operator needs [1, 5]"),
        (lstm(per_channel=True), "its quantisation is per channel"),
        (lstm(weight_scale=1e6), "too large for 32-bit arithmetic"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(model)
    assert problem in caught.value.problem
