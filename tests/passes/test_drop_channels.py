"""Channels that are always the same are not computed, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.passes import run_passes

CHANNELS = 16
DEAD = -2_000_000  # a bias from which no input leads back


def convolution(
    b: ModelBuilder,
    draw: np.random.Generator,
    x: int,
    shape: tuple[int, ...],
    *,
    depth: int,
    bias: Any,
    size: int = 1,
    same: bool = True,
    zero_point: int = -128,
    depthwise: bool = False,
) -> int:
    channels = shape[-1]
    form = (1, size, size, channels) if depthwise else (channels, size, size, depth)
    weights = draw.integers(-127, 128, form, np.int8)
    own = draw.uniform(0.005, 0.02, channels)
    y = b.tensor(
        shape, scale=0.1 * np.sqrt(1 if depthwise else depth) * size, zero_point=zero_point
    )
    options: Any = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
    options.strideH = options.strideW = 1
    options.padding = 0 if same else 1
    if depthwise:
        options.depthMultiplier = 1
    inputs = [x, b.constant(weights, scale=own, axis=3 if depthwise else 0)]
    inputs.append(b.constant(np.array(bias, np.int32), scale=own * 0.1))
    b.operator("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", inputs, [y], options)
    return y


def chain(
    dead: list[bool],
    *,
    depthwise: bool = True,
    zero_point: int = -128,
    same: bool = True,
    size: int = 3,
    also_output: bool = False,
    seed: int = 0,
) -> bytes:
    """A convolution with dead filters, what may follow channel by channel, another convolution."""
    b, draw = ModelBuilder(), np.random.default_rng(seed)
    x = b.tensor((1, 6, 5, 3), scale=0.1, zero_point=-7)
    bias = np.where(dead, DEAD, draw.integers(-500, 500, CHANNELS))
    first = t = convolution(
        b, draw, x, (1, 6, 5, CHANNELS), depth=3, bias=bias, size=3, zero_point=zero_point
    )
    if depthwise:
        t = convolution(
            *(b, draw, t, (1, 6, 5, CHANNELS)),
            depth=1,
            bias=draw.integers(-500, 1, CHANNELS),  # zero becomes zero
            size=3,
            zero_point=zero_point,
            depthwise=True,
        )
    shape = (1, 6, 5, 7) if same else (1, 7 - size, 6 - size, 7)
    y = convolution(
        b,
        draw,
        t,
        shape,
        depth=CHANNELS,
        bias=draw.integers(-500, 500, 7),
        size=size,
        same=same,
        zero_point=3,
    )
    return b.finish([x], [y, first] if also_output else [y])


def widths(model: bytes) -> list[int]:
    graph = run_passes(read_graph(model)).graph
    return [graph.tensors[node.outputs[0]].shape[-1] for node in graph.nodes]


@pytest.mark.parametrize(("dead", "left"), [(1, 16), (4, 12), (5, 12), (9, 8), (15, 4), (16, 4)])
def test_dead_filters_go_in_fours(dead: int, left: int) -> None:
    model = chain([i < dead for i in range(CHANNELS)])
    assert widths(model) == [left, left, 7]
    assert_exact(model)


def test_nothing_changes_without_dead_filters() -> None:
    assert widths(chain([False] * CHANNELS)) == [16, 16, 7]


@given(
    st.lists(st.booleans(), min_size=CHANNELS, max_size=CHANNELS),
    st.booleans(),
    st.sampled_from([-128, -20]),
    st.booleans(),
    st.sampled_from([1, 3]),
    st.integers(0, 1000),
)
@settings(max_examples=15)
def test_outputs_stay(
    dead: list[bool], depthwise: bool, zero_point: int, same: bool, size: int, seed: int
) -> None:
    model = chain(dead, depthwise=depthwise, zero_point=zero_point, same=same, size=size, seed=seed)
    assert_exact(model)


def test_a_constant_other_than_zero_becomes_bias() -> None:
    """Dead at -128 where zero is -20: it adds to what reads it, wherever the window lies inside."""
    dead = [i < 8 for i in range(CHANNELS)]
    inside = chain(dead, depthwise=False, zero_point=-20, same=False)
    assert widths(inside) == [8, 7]
    assert_exact(inside)
    # Beside the image it would be zero: the borders differ, so the channel has to stay.
    beside = chain(dead, depthwise=False, zero_point=-20, same=True)
    assert widths(beside) == [16, 7]
    assert widths(chain(dead, depthwise=False, zero_point=-20, same=True, size=1)) == [8, 7]


def test_outputs_of_the_model_keep_their_channels() -> None:
    dead = [i < 8 for i in range(CHANNELS)]
    assert widths(chain(dead, depthwise=False, also_output=True)) == [16, 7]
