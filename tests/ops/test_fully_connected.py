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
        (fully_connected(output_shape=(1, 4)), "do not give an output with the shape [1, 4]"),
        (
            fully_connected(depth=6),
            "an input with the shape [1, 7] and weights with the shape [5, 6]",
        ),
        (fully_connected(bias_scale=90.0), "the bias has the scale"),
        (fully_connected(output_scale=1e-20, bias=False), "needs a shift"),
        (fully_connected((1, 70000), 70000, 1, weight=127), "does not fit into 32 bits"),
        (fully_connected(output_scale=1e-9, bias=False), "its scaled sums can reach"),
        (fully_connected(activation=9), "unknown fused activation, number 9"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        read_graph(model)
    assert problem in caught.value.problem


def test_the_product_of_scales_is_a_double() -> None:
    """Only a few sums reveal the precision of the multiplier; the test searches for them.

    Every input is real zero, and each bias is a sum that a float would bring elsewhere.
    """
    generator = np.random.default_rng(0)
    sums = np.arange(-400_000, 400_000)
    found = 0
    while found < 20:
        scales = generator.uniform(0.01, 0.4, 2).astype(np.float32)
        out = np.float32(float(scales[0]) * float(scales[1]) * generator.uniform(3000, 4000))
        double, single = (
            np.clip(multiply_by_quantized_multiplier(sums, *quantize_multiplier(ratio)), -128, 127)
            for ratio in (
                float(scales[0]) * float(scales[1]) / float(out),
                float(scales[0] * scales[1]) / float(out),
            )
        )
        biases = sums[double != single].astype(np.int32)
        if not len(biases):
            continue
        b = ModelBuilder()
        x = b.tensor((1, 1), scale=scales[0])
        w = b.constant(np.ones((len(biases), 1), np.int8), scale=scales[1])
        bias = b.constant(biases, scale=scales[0] * scales[1])
        y = b.tensor((1, len(biases)), scale=out)
        b.operator("FULLY_CONNECTED", [x, w, bias], [y], schema.FullyConnectedOptionsT())
        model = b.finish([x], [y])
        (expected,), _ = compute(model, [np.zeros((1, 1, 1), np.int8)], 1, 1 << 20)
        np.testing.assert_array_equal(expected.reshape(-1), double[double != single])
        assert_exact(model, c=False)
        found += len(biases)


@pytest.mark.parametrize(
    ("model", "kernel", "limited"),
    [
        (
            fully_connected((1, 64), 64, 40, activation=1, zero_points=(-3, -128)),
            "fully_connected_tile",
            False,
        ),
        (fully_connected((1, 64), 64, 40, activation=3), "fully_connected_tile", True),
        (fully_connected((1, 64), 64, 40, output_scale=0.0001), "fully_connected_any", False),
        (fully_connected((1, 64), 64, 40, weight=-128), "fully_connected_any", False),
        (fully_connected((2, 1100), 1100, weight=127), "fully_connected_any", False),
    ],
    ids=["int8", "limited", "left shift", "-128", "long sums"],
)
def test_kernels_for_all_numbers(model: bytes, kernel: str, limited: bool) -> None:
    (step,) = assert_exact(model).steps
    assert (step.kernel.name, step.call.limits is not None) == (kernel, limited)
