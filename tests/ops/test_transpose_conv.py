"""TRANSPOSE_CONV against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph


def transpose_conv(
    height: int = 8,
    width: int = 6,
    channels: int = 3,
    outputs: int = 4,
    window: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (2, 2),
    batches: int = 1,
    same: bool = True,
    activation: int = 0,
    per_channel: bool = True,
    bias: bool = True,
    zero_points: tuple[int, int] = (-3, 7),
    output_scale: float = 0.2,
    shape: tuple[int, ...] | None = None,
    seed: int = 0,
) -> bytes:
    """A model of one TRANSPOSE_CONV with random weights; height and width are the output's."""
    generator = np.random.default_rng(seed)
    weights = generator.integers(-127, 128, (outputs, *window, channels), np.int8)
    scales = generator.uniform(0.002, 0.05, outputs if per_channel else 1)
    sizes = [
        -(-n // s) if same else (n + s - k) // s
        for n, s, k in zip((height, width), stride, window, strict=True)
    ]
    output_shape = (batches, height, width, outputs)
    b = ModelBuilder()
    x = b.tensor((batches, *sizes, channels), scale=0.05, zero_point=zero_points[0])
    inputs = [
        b.constant(np.array(output_shape, np.int32)),
        b.constant(weights, scale=scales),
        x,
    ]
    if bias:
        values = generator.integers(-2000, 2000, outputs, np.int32)
        inputs.append(b.constant(values, scale=scales * 0.05))
    y = b.tensor(shape or output_shape, scale=output_scale, zero_point=zero_points[1])
    options = schema.TransposeConvOptionsT()
    options.padding = 0 if same else 1
    options.strideH, options.strideW = stride
    options.fusedActivationFunction = activation
    b.operator(
        "TRANSPOSE_CONV", inputs, [y], options, version=4 if activation else 3 if bias else 2
    )
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        transpose_conv(),
        transpose_conv(7, 9, window=(2, 5), stride=(3, 1), same=False, batches=2, activation=1),
        transpose_conv(5, 5, window=(1, 1), per_channel=False, bias=False),
        transpose_conv(9, 8, window=(4, 4), zero_points=(127, -128), activation=3),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    height=st.integers(1, 10),
    width=st.integers(1, 10),
    channels=st.integers(1, 4),
    outputs=st.integers(1, 4),
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    batches=st.integers(1, 2),
    same=st.booleans(),
    activation=st.sampled_from([0, 1, 2, 3]),
    per_channel=st.booleans(),
    bias=st.booleans(),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    output_scale=st.sampled_from([1e-5, 0.01, 0.3, 8.0]),
    seed=st.integers(0, 99),
)
def test_numpy_equals_tflm(
    height: int, width: int, window: tuple[int, int], same: bool, **drawn: object
) -> None:
    if not same:
        height, width = max(height, window[0]), max(width, window[1])
    assert_exact(transpose_conv(height, width, window=window, same=same, **drawn), c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (transpose_conv(shape=(1, 8, 6, 5)), "its shape is [1, 8, 6, 5]"),
        (
            transpose_conv(shape=(1, 9, 6, 4)),
            "its shape is [1, 4, 3, 3], but the operator needs [1, 5",
        ),
        (transpose_conv(stride=(70000, 1)), "its strides, dilation"),
        (transpose_conv(output_scale=1e-20), "needs a shift"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 TRANSPOSE_CONV") as caught:
        read_graph(model)
    assert problem in caught.value.problem
