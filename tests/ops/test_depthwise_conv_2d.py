"""DEPTHWISE_CONV_2D against TensorFlow Lite Micro."""

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


def depthwise_conv_2d(
    height: int = 6,
    width: int = 5,
    channels: int = 3,
    multiplier: int = 1,
    window: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    batches: int = 1,
    same: bool = True,
    activation: int = 0,
    per_channel: bool = True,
    bias: bool = True,
    zero_points: tuple[int, int] = (-3, 7),
    seed: int = 0,
    output_scale: float = 0.2,
    shape: tuple[int, ...] | None = None,
    option_multiplier: int | None = None,
    axis: int = 3,
) -> bytes:
    """A model of one DEPTHWISE_CONV_2D with random weights."""
    generator = np.random.default_rng(seed)
    outputs = channels * multiplier
    weights = generator.integers(-127, 128, (1, *window, outputs), np.int8)
    scales = generator.uniform(0.002, 0.05, outputs if per_channel else 1)
    extent = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    sizes = [
        -(-n // s) if same else (n + s - e) // s
        for n, s, e in zip((height, width), stride, extent, strict=True)
    ]
    b = ModelBuilder()
    x = b.tensor((batches, height, width, channels), scale=0.05, zero_point=zero_points[0])
    inputs = [x, b.constant(weights, scale=scales, axis=axis)]
    if bias:
        values = generator.integers(-2000, 2000, outputs, np.int32)
        inputs.append(b.constant(values, scale=scales * 0.05))
    y = b.tensor(shape or (batches, *sizes, outputs), scale=output_scale, zero_point=zero_points[1])
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = 0 if same else 1
    options.strideH, options.strideW = stride
    options.dilationHFactor, options.dilationWFactor = dilation
    options.depthMultiplier = multiplier if option_multiplier is None else option_multiplier
    options.fusedActivationFunction = activation
    b.operator("DEPTHWISE_CONV_2D", inputs, [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        depthwise_conv_2d(),
        depthwise_conv_2d(channels=2, multiplier=3, stride=(2, 1), activation=1, batches=2),
        depthwise_conv_2d(window=(2, 3), dilation=(2, 1), per_channel=False, bias=False),
        depthwise_conv_2d(same=False, zero_points=(127, -128), activation=3, batches=2),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


def test_in_place_where_no_padding_lies_in_front() -> None:
    assert assert_exact(depthwise_conv_2d(same=False), c=False).arena_bytes == 92  # the input
    padded = assert_exact(depthwise_conv_2d(same=True), c=False)
    assert padded.arena_bytes == 2 * 92  # input and output


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 4),
    multiplier=st.integers(1, 3),
    batches=st.integers(1, 2),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    same=st.booleans(),
    activation=st.sampled_from([0, 1, 2, 3]),
    per_channel=st.booleans(),
    bias=st.booleans(),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    seed=st.integers(0, 99),
    output_scale=st.sampled_from([1e-5, 0.01, 0.3, 8.0]),
)
def test_numpy_equals_tflm(
    height: int,
    width: int,
    window: tuple[int, int],
    dilation: tuple[int, int],
    same: bool,
    **drawn: object,
) -> None:
    if not same:
        height = max(height, (window[0] - 1) * dilation[0] + 1)
        width = max(width, (window[1] - 1) * dilation[1] + 1)
    model = depthwise_conv_2d(height, width, window=window, dilation=dilation, same=same, **drawn)
    assert_exact(model, c=False)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (depthwise_conv_2d(shape=(1, 2, 2, 3)), "its shape is [1, 2, 2, 3]"),
        (
            depthwise_conv_2d(option_multiplier=2),
            "3 input channels with the depth multiplier 2 do not match",
        ),
        (depthwise_conv_2d(stride=(1, 70000), same=False, width=3), "its strides, dilation"),
        (depthwise_conv_2d(channels=3, axis=1), "along an axis other than"),
        (depthwise_conv_2d(output_scale=1e-20), "needs a shift"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 DEPTHWISE_CONV_2D") as caught:
        read_graph(model)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("model", "kernel", "limited"),
    [
        (depthwise_conv_2d(24, 24, 16, activation=1), "depthwise_conv_2d_3x3", True),
        (
            depthwise_conv_2d(24, 24, 16, window=(5, 4), activation=3),
            "depthwise_conv_2d_lines",
            True,
        ),
        (depthwise_conv_2d(24, 24, 16, output_scale=0.001), "depthwise_conv_2d_any", False),
        (
            depthwise_conv_2d(24, 24, 18, output_scale=0.002, activation=1),
            "depthwise_conv_2d_any",
            True,
        ),
    ],
)
def test_kernels_for_every_scale_and_activation(model: bytes, kernel: str, limited: bool) -> None:
    (step,) = assert_exact(model).steps
    assert (step.kernel.name, step.call.limits is not None) == (kernel, limited)
