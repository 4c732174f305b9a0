"""Filters of zeros, whose scale is 0 in the file, and a bias that has the axis of its filter.

Some converters write both. TensorFlow Lite Micro runs them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.errors import UnsupportedModelError
from tflm_ext.frontend import read_graph
from tflm_ext.opslib.base import Array

DEAD = 2  # the filter that is zero
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]] = {
    # Operator: input, weights, output, axis of the filters.
    "CONV_2D": ((1, 4, 4, 3), (5, 3, 3, 3), (1, 4, 4, 5), 0),
    "DEPTHWISE_CONV_2D": ((1, 4, 4, 5), (1, 3, 3, 5), (1, 4, 4, 5), 3),
    "FULLY_CONNECTED": ((1, 6), (5, 6), (1, 5), 0),
    "TRANSPOSE_CONV": ((1, 4, 4, 3), (5, 2, 2, 3), (1, 8, 8, 5), 0),
}


def options(operator: str) -> Any:
    name = {
        "CONV_2D": "Conv2DOptionsT",
        "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptionsT",
        "FULLY_CONNECTED": "FullyConnectedOptionsT",
        "TRANSPOSE_CONV": "TransposeConvOptionsT",
    }[operator]
    found = getattr(schema, name)()
    if operator != "FULLY_CONNECTED":
        found.strideH = found.strideW = 2 if operator == "TRANSPOSE_CONV" else 1
    if operator == "DEPTHWISE_CONV_2D":
        found.depthMultiplier = 1
    return found


def weighted(
    operator: str, *, dead: bool = True, bias_axis: int = 0, live_weight: int = 0, channels: int = 5
) -> bytes:
    """One operator with weights per channel; the dead filter has scale 0 and this weight."""
    _, filters, _, axis = SHAPES[operator]
    draw = np.random.default_rng(1)
    weights = draw.integers(-127, 128, filters, np.int8)
    scales = draw.uniform(0.002, 0.05, channels)
    if dead:
        np.moveaxis(weights, axis, 0)[DEAD] = live_weight
        scales[DEAD] = 0.0
    bias = draw.integers(-500, 500, channels, np.int32)
    bias[DEAD] = 0
    return one_layer(operator, weights, scales, bias, bias_axis)


def one_layer(
    operator: str, weights: Array, scales: Array, bias: Array, bias_axis: int = 0
) -> bytes:
    """One operator with these weights."""
    shape, _, out, axis = SHAPES[operator]
    b = ModelBuilder()
    x = b.tensor(shape, scale=0.05, zero_point=-3)
    w = b.constant(weights, scale=scales, axis=axis)
    c = b.constant(bias, scale=scales * 0.05, axis=bias_axis)
    y = b.tensor(out, scale=0.2, zero_point=7)
    inputs = [x, w, c]
    if operator == "TRANSPOSE_CONV":
        inputs = [b.constant(np.array(out, np.int32)), w, x, c]
    b.operator(operator, inputs, [y], options(operator))
    return b.finish([x], [y])


@pytest.mark.parametrize("operator", SHAPES)
def test_a_scale_of_0_where_all_weights_are_0(operator: str) -> None:
    assert_exact(weighted(operator))


@pytest.mark.parametrize("operator", SHAPES)
def test_a_bias_with_the_axis_of_its_filter(operator: str) -> None:
    """As in TFLM's own person_detect."""
    assert_exact(weighted(operator, dead=False, bias_axis=3), c=False)


def saturated(operator: str, bias: int, scale: float) -> bytes:
    """As weighted(), but the dead filter has a scale, and an extreme bias."""
    _, filters, _, axis = SHAPES[operator]
    draw = np.random.default_rng(1)
    weights, scales = draw.integers(-127, 128, filters, np.int8), draw.uniform(0.002, 0.05, 5)
    np.moveaxis(weights, axis, 0)[DEAD] = 0
    scales[DEAD] = scale
    biases = draw.integers(-500, 500, 5, np.int32)
    biases[DEAD] = bias
    return one_layer(operator, weights, scales, biases)


@pytest.mark.parametrize("bias", [-(2**31), 2**31 - 1])
@pytest.mark.parametrize("operator", SHAPES)
def test_a_saturated_bias_where_all_weights_are_0(operator: str, bias: int) -> None:
    """2**-23 is the scale that the converter gives such filters."""
    assert_exact(saturated(operator, bias, 2.0**-23))


def test_a_saturated_bias_that_stays_large() -> None:
    with pytest.raises(UnsupportedModelError, match="its scaled sums can reach 2,147,483,648"):
        read_graph(saturated("CONV_2D", -(2**31), 3.9))


def test_a_scale_of_0_needs_zeros() -> None:
    with pytest.raises(UnsupportedModelError, match=r"has the scale 0\.0, which is not positive"):
        read_graph(weighted("CONV_2D", live_weight=1))


def elementwise(name: str, *, constant: bool) -> bytes:
    """x + 0, where the zeros have the scale 0."""
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1)
    zeros = np.zeros((1, 4), np.int8)
    z = b.constant(zeros, scale=0.0) if constant else b.tensor((1, 4), scale=0.0)
    y = b.tensor((1, 4), scale=0.1)
    b.operator(name, [x, z], [y], schema.AddOptionsT() if name == "ADD" else schema.MulOptionsT())
    return b.finish([x] if constant else [x, z], [y])


@pytest.mark.parametrize("name", ["ADD", "MUL"])
def test_other_operators_refuse_a_scale_of_0(name: str) -> None:
    """TFLM stops the program on some of them."""
    with pytest.raises(UnsupportedModelError, match="its scale is 0"):
        read_graph(elementwise(name, constant=True))
    with pytest.raises(UnsupportedModelError, match=r"has the scale 0\.0, which is not positive"):
        read_graph(elementwise(name, constant=False))


def test_a_bias_with_many_scales_and_weights_with_one() -> None:
    """TFLM looks at the first scale of the bias."""
    b = ModelBuilder()
    x = b.tensor((1, 6), scale=0.05)
    w = b.constant(np.arange(30, dtype=np.int8).reshape(5, 6), scale=[0.02])
    c = b.constant(np.arange(5, dtype=np.int32), scale=[0.001] * 5)
    y = b.tensor((1, 5), scale=0.2)
    b.operator("FULLY_CONNECTED", [x, w, c], [y], schema.FullyConnectedOptionsT())
    assert_exact(b.finish([x], [y]), c=False)
