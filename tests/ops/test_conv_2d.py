"""CONV_2D against TensorFlow Lite Micro."""

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


def conv_2d(
    height: int = 6,
    width: int = 5,
    channels: int = 3,
    outputs: int = 4,
    window: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    batches: int = 1,
    same: bool = True,
    activation: int = 0,
    per_channel: bool = True,
    bias: bool = True,
    zero_points: tuple[int, int] = (-3, 7),
    seed: int = 0,
    output_scale: float = 0.2,
    shape: tuple[int, ...] | None = None,
) -> bytes:
    """A model of one CONV_2D with random weights."""
    generator = np.random.default_rng(seed)
    weights = generator.integers(-127, 128, (outputs, *window, channels // groups), np.int8)
    scales = generator.uniform(0.002, 0.05, outputs if per_channel else 1)
    extent = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    sizes = [
        -(-n // s) if same else (n + s - e) // s
        for n, s, e in zip((height, width), stride, extent, strict=True)
    ]
    b = ModelBuilder()
    x = b.tensor((batches, height, width, channels), scale=0.05, zero_point=zero_points[0])
    inputs = [x, b.constant(weights, scale=scales)]
    if bias:
        values = generator.integers(-2000, 2000, outputs, np.int32)
        inputs.append(b.constant(values, scale=scales * 0.05))
    y = b.tensor(shape or (batches, *sizes, outputs), scale=output_scale, zero_point=zero_points[1])
    options = schema.Conv2DOptionsT()
    options.padding = 0 if same else 1
    options.strideH, options.strideW = stride
    options.dilationHFactor, options.dilationWFactor = dilation
    options.fusedActivationFunction = activation
    b.operator("CONV_2D", inputs, [y], options)
    return b.finish([x], [y])


@pytest.mark.parametrize(
    "model",
    [
        conv_2d(),
        conv_2d(channels=4, outputs=6, groups=2, stride=(2, 1), activation=1),
        conv_2d(window=(2, 3), dilation=(2, 1), same=False, per_channel=False, bias=False),
        conv_2d(window=(1, 1), channels=8, batches=2, zero_points=(127, -128), activation=3),
    ],
)
def test_c_equals_tflm(model: bytes) -> None:
    assert_exact(model)


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 5),
    multiple=st.integers(1, 3),
    grouped=st.booleans(),
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
    channels: int, multiple: int, grouped: bool, window: tuple[int, int], **drawn: object
) -> None:
    if not drawn["same"]:
        dilation = drawn["dilation"]
        drawn["height"] = max(drawn["height"], (window[0] - 1) * dilation[0] + 1)
        drawn["width"] = max(drawn["width"], (window[1] - 1) * dilation[1] + 1)
    groups = channels if grouped else 1
    assert_exact(
        conv_2d(
            channels=channels, outputs=channels * multiple, groups=groups, window=window, **drawn
        ),
        c=False,
    )


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (conv_2d(shape=(1, 2, 2, 4)), "its shape is [1, 2, 2, 4]"),
        (conv_2d(stride=(1, 1), output_scale=1e-20), "needs a shift"),
    ],
)
def test_refuses(model: bytes, problem: str) -> None:
    with pytest.raises(UnsupportedModelError, match="operator 0 CONV_2D") as caught:
        read_graph(model)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("model", "kernel", "limited"),
    [
        (conv_2d(activation=1, zero_points=(-3, -128)), "conv_2d_tile", False),
        (conv_2d(activation=1), "conv_2d_tile", True),
        (conv_2d(activation=3, channels=8, window=(1, 1)), "conv_2d_pointwise", True),
        (conv_2d(output_scale=0.002), "conv_2d_any", False),
        (conv_2d(output_scale=0.002, activation=1, outputs=5), "conv_2d_any", True),
    ],
)
def test_kernels_for_every_scale_and_activation(model: bytes, kernel: str, limited: bool) -> None:
    (step,) = assert_exact(model).steps
    assert (step.kernel.name, step.call.limits is not None) == (kernel, limited)
