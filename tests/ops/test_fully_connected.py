"""FULLY_CONNECTED against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.ops.fully_connected import OPERATOR
from tflm_ext.verify.tflm_child import compute


def fully_connected(
    shape: tuple[int, ...] = (1, 7),
    depth: int = 7,
    outputs: int = 5,
    activation: int = 0,
    per_channel: bool = False,
    bias: bool = True,
    absent_bias: bool = False,
    keep_dims: bool = False,
    zero_points: tuple[int, int] = (-3, 7),
    output_scale: float = 0.2,
    bias_scale: float = 1.0,
    seed: int = 0,
    weight: int | None = None,
    output_shape: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one FULLY_CONNECTED with random weights, or all of one value."""
    generator = np.random.default_rng(seed)
    weights = generator.integers(-127, 128, (outputs, depth), np.int8)
    if weight is not None:
        weights = np.full_like(weights, weight)
    scales = generator.uniform(0.002, 0.05, outputs if per_channel else 1).astype(np.float32)
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.05, zero_point=zero_points[0])
    inputs = [x, b.constant(weights, scale=scales)]
    if bias:
        values = generator.integers(-2000, 2000, outputs, np.int32)
        inputs.append(b.constant(values, scale=scales * np.float32(0.05) * bias_scale))
    elif absent_bias:
        inputs.append(-1)
    rows = int(np.prod(shape)) // depth
    given_shape = (*shape[:-1], outputs) if keep_dims else (rows, outputs)
    y = b.tensor(output_shape or given_shape, scale=output_scale, zero_point=zero_points[1])
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = activation
    options.keepNumDims = keep_dims
    b.operator("FULLY_CONNECTED", inputs, [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        fully_connected(),
        fully_connected((2, 3, 4), 4, 6, per_channel=True, keep_dims=True, activation=1),
        fully_connected((1, 2, 2, 3), 12, 3, bias=False, zero_points=(127, -128), activation=3),
        fully_connected((1, 9), 9, 4, bias=False, absent_bias=True, per_channel=True),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    rows=st.lists(st.integers(1, 3), max_size=3),
    depth=st.integers(1, 40),
    outputs=st.integers(1, 6),
    activation=st.sampled_from([0, 1, 2, 3]),
    per_channel=st.booleans(),
    bias=st.booleans(),
    absent_bias=st.booleans(),
    keep_dims=st.booleans(),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    output_scale=st.sampled_from([1e-5, 0.01, 0.3, 8.0]),
    seed=st.integers(0, 99),
)
def test_numpy_equals_tflm(rows: list[int], depth: int, **drawn: object) -> None:
    assert_exact(fully_connected((*rows, depth), depth, **drawn), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (fully_connected(output_shape=(1, 4)), "do not give [1, 4]"),
        (fully_connected(depth=6), "[1, 7] times weights of [5, 6]"),
        (fully_connected(bias_scale=90.0), "its bias has the scale"),
        (fully_connected(output_scale=1e-20, bias=False), "needs a shift"),
        (fully_connected((1, 70000), 70000, 1, weight=127), "more than 32 bits hold"),
        (fully_connected(output_scale=1e-9, bias=False), "its scaled sums reach"),
        (fully_connected(activation=9), "fused activation number 9"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(model)
    assert problem in caught.value.problem


def test_the_product_of_scales_is_a_double() -> None:
    """The precision of the multiplier shows in one of a hundred thousand sums near a tie."""
    generator = np.random.default_rng(0)
    depth, outputs, rows = 64, 64, 2000
    differing = 0
    for _ in range(3):
        scales = generator.uniform(0.01, 0.4, 3).astype(np.float32)
        b = ModelBuilder()
        x = b.tensor((rows, depth), scale=scales[0], zero_point=89)
        weights = generator.integers(-127, 128, (outputs, depth), np.int8)
        w = b.constant(weights, scale=scales[1] / 10)
        y = b.tensor((rows, outputs), scale=scales[2] * 100)
        b.operator("FULLY_CONNECTED", [x, w], [y], schema.FullyConnectedOptionsT())
        model = b.finish([x], [y])
        view = next(iter(read_graph(model).views()))
        inputs = generator.integers(-128, 128, (rows, depth), np.int8)
        (expected,), _ = compute(model, [inputs[None]], 1, 1 << 20)
        (got,) = OPERATOR.reference(view, [inputs, weights, None])
        np.testing.assert_array_equal(got, expected[0])
        sums = (inputs.astype(np.int64) - 89) @ weights.T.astype(np.int64)
        single = np.float32(scales[0]) * np.float32(scales[1] / 10)
        multiplier, shift = quantize_multiplier(float(single) / float(np.float32(scales[2] * 100)))
        coarse = multiply_by_quantized_multiplier(sums, multiplier, shift)
        differing += int(np.count_nonzero(coarse != got))
    assert differing > 0, "choose scales that tell a float from a double"
