"""Models of one elementwise operator, and TFLM's results for all possible inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.reference import run_outputs
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm_child import compute

LEVELS = np.arange(-128, 128, dtype=np.int8)

zero_points = st.integers(-128, 127) | st.sampled_from([-128, 0, 127])


def scales(low: float, high: float) -> st.SearchStrategy[float]:
    """Scales of all magnitudes between two limits."""
    exponents = st.floats(float(np.log2(low)), float(np.log2(high)))
    return exponents.map(lambda e: float(np.float32(2.0**e)))


def unary(
    operator: str,
    scale: float = 0.05,
    zero_point: int = -3,
    output_scale: float = 0.05,
    output_zero_point: int = 7,
    *,
    shape: Sequence[int] = (1, 256),
    output_shape: Sequence[int] | None = None,
    options: Any = None,
) -> bytes:
    """A model of one operator on one tensor."""
    b = ModelBuilder()
    x = b.tensor(shape, scale=scale, zero_point=zero_point)
    y = b.tensor(output_shape or shape, scale=output_scale, zero_point=output_zero_point)
    b.operator(operator, [x], [y], options)
    return b.finish([x], [y])


def activation_options(operator: str, activation: int) -> Any:
    """The options of an operator on two tensors; None for operators without options."""
    if operator not in {"ADD", "SUB", "MUL", "DIV"}:
        return None
    options = getattr(schema, f"{operator.capitalize()}OptionsT")()
    options.fusedActivationFunction = activation
    return options


def binary(
    operator: str,
    shapes: tuple[Sequence[int], Sequence[int]] = ((256, 1), (1, 256)),
    scales: tuple[float, float, float] = (0.05, 0.04, 0.09),
    zero_points: tuple[int, int, int] = (-3, 5, 7),
    activation: int = 0,
    *,
    constant: int | None = None,
    output_shape: Sequence[int] | None = None,
) -> bytes:
    """A model of one operator on two tensors; `constant` names one that is constant and random."""
    b = ModelBuilder()
    generator = np.random.default_rng(5)
    inputs = []
    for i, shape in enumerate(shapes):
        if i == constant:
            values = generator.integers(-128, 128, shape, np.int8)
            inputs.append(b.constant(values, scale=scales[i], zero_point=zero_points[i]))
        else:
            inputs.append(b.tensor(shape, scale=scales[i], zero_point=zero_points[i]))
    shape = np.broadcast_shapes(*map(tuple, shapes)) if output_shape is None else output_shape
    y = b.tensor(shape, scale=scales[2], zero_point=zero_points[2])
    b.operator(operator, inputs, [y], activation_options(operator, activation))
    return b.finish([x for i, x in enumerate(inputs) if i != constant], [y])


def assert_all_inputs(model: bytes) -> None:
    """Check that the NumPy reference equals TFLM for all 256 values, or all 65,536 pairs."""
    graph = read_graph(model)
    inputs = [LEVELS.reshape(graph.tensors[i].shape) for i in graph.inputs]
    (expected,), _ = compute(model, [x[np.newaxis] for x in inputs], 1, arena_for(graph))
    (got,) = run_outputs(graph, inputs)
    np.testing.assert_array_equal(got, expected[0])


BROADCASTS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1, 3, 4, 2), (1, 3, 4, 2)),
    ((1, 3, 4, 5), (5,)),
    ((), (2, 3)),
    ((2, 1, 3, 1), (2, 4, 1, 5)),
    ((2, 1, 2, 1, 2, 1), (1, 3, 1, 2, 1, 2)),
)


def broadcasting(operator: str, scales: tuple[float, float, float], activation: int) -> bytes:
    """A model with one operator for each of BROADCASTS; some read a constant, on either side."""
    b = ModelBuilder()
    generator = np.random.default_rng(9)
    inputs, outputs = [], []
    for i, shapes in enumerate(BROADCASTS):
        operands = []
        for side, shape in enumerate(shapes):
            if (i, side) in {(1, 1), (2, 0)}:
                values = generator.integers(-128, 128, shape, np.int8)
                operands.append(b.constant(values, scale=scales[side], zero_point=-7))
            else:
                operands.append(b.tensor(shape, scale=scales[side], zero_point=11))
                inputs.append(operands[-1])
        outputs.append(b.tensor(np.broadcast_shapes(*shapes), scale=scales[2], zero_point=3))
        b.operator(operator, operands, outputs[-1:], activation_options(operator, activation))
    return b.finish(inputs, outputs)
