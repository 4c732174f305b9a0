"""Channels that are always the same are not computed, and nothing else changes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.passes import drop_channels, run_passes

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


LEFT = {1: 16, 4: 12, 5: 12, 9: 8, 15: 4, 16: 4}
"""How many channels are left, by the number of those that are dead."""


def fewer(dead: int) -> bytes:
    return chain([i < dead for i in range(CHANNELS)])


@pytest.mark.parametrize(("dead", "left"), LEFT.items())
def test_dead_filters_go_in_groups_of_four(dead: int, left: int) -> None:
    assert widths(fewer(dead)) == [left, left, 7]
    assert_exact(fewer(dead), c=False)


def test_the_c_of_every_kind_of_chain() -> None:
    """Side by side in one program: of each, the channels that are dead are drawn."""
    draw = np.random.default_rng(0)
    kinds = itertools.product((False, True), (-128, -20), (False, True), (1, 3))
    chains = [
        chain(
            (draw.random(CHANNELS) < draw.uniform(0.2, 0.9)).tolist(),
            depthwise=depthwise,
            zero_point=zero_point,
            same=same,
            size=size,
            seed=seed,
        )
        for seed, (depthwise, zero_point, same, size) in enumerate(kinds)
    ]
    b = ModelBuilder()
    ports = [b.include(model) for model in (*map(fewer, LEFT), *chains)]
    assert_exact(b.finish([x for xs, _ in ports for x in xs], [y for _, ys in ports for y in ys]))


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
@settings(max_examples=25)
def test_outputs_stay(
    dead: list[bool], depthwise: bool, zero_point: int, same: bool, size: int, seed: int
) -> None:
    model = chain(dead, depthwise=depthwise, zero_point=zero_point, same=same, size=size, seed=seed)
    assert_exact(model, c=False)


def test_a_constant_other_than_zero_becomes_bias() -> None:
    """Dead at -128 where zero is -20: it adds to what reads it, wherever the window is inside."""
    dead = [i < 8 for i in range(CHANNELS)]
    inside = chain(dead, depthwise=False, zero_point=-20, same=False)
    assert widths(inside) == [8, 7]
    assert_exact(inside)
    # Outside the image it would be zero: the borders differ, so the channel has to stay.
    beside = chain(dead, depthwise=False, zero_point=-20, same=True)
    assert widths(beside) == [16, 7]
    assert widths(chain(dead, depthwise=False, zero_point=-20, same=True, size=1)) == [8, 7]


def test_outputs_of_the_model_keep_their_channels() -> None:
    dead = [i < 8 for i in range(CHANNELS)]
    assert widths(chain(dead, depthwise=False, also_output=True)) == [16, 7]


def flattened(
    dead: list[bool],
    *,
    shape: tuple[int, ...] = (1, -1),
    pool: bool = True,
    zero_point: int = -128,
    bias: bool = True,
    one_scale: bool = False,
) -> bytes:
    """A convolution with dead filters, perhaps pooled, and a dense layer over the whole image.

    Args:
        shape: of what the dense layer reads, by RESHAPE; (), and it flattens the input itself.
    """
    b, draw = ModelBuilder(), np.random.default_rng(4)
    channels = len(dead)
    x = b.tensor((1, 4, 6, 3), scale=0.1, zero_point=-7)
    bias_values = np.where(dead, DEAD, draw.integers(-500, 500, channels))
    t = convolution(
        *(b, draw, x, (1, 4, 6, channels)), depth=3, bias=bias_values, zero_point=zero_point
    )
    size = 24 * channels
    if pool:
        pooled = b.tensor((1, 2, 3, channels), scale=0.1 * np.sqrt(3), zero_point=zero_point)
        options = schema.Pool2DOptionsT()
        options.strideH = options.strideW = options.filterHeight = options.filterWidth = 2
        b.operator("MAX_POOL_2D", [t], [pooled], options)
        t, size = pooled, size // 4
    if shape:
        sizes = np.empty(size, np.int8).reshape(shape).shape
        flat = b.tensor(sizes, scale=0.1 * np.sqrt(3), zero_point=zero_point)
        b.operator("RESHAPE", [t, b.constant(np.array(sizes, np.int32))], [flat])
        t = flat
    own = np.full(5, 0.09) if one_scale else draw.uniform(0.005, 0.02, 5)
    weights = draw.integers(-127, 128, (5, size), np.int8)
    inputs = [t, b.constant(weights, scale=own[:1] if one_scale else own)]
    if bias:
        inputs.append(b.constant(draw.integers(-500, 500, 5, np.int32), scale=own * 0.1 * 3**0.5))
    y = b.tensor((1, 5), scale=0.5)
    b.operator("FULLY_CONNECTED", inputs, [y], schema.FullyConnectedOptionsT())
    return b.finish([x], [y])


@pytest.mark.parametrize("shape", [(1, -1), (1, 1, 1, -1), ()])
@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("zero_point", [-128, -20])
def test_a_dead_filter_before_a_flattened_image(
    shape: tuple[int, ...], pool: bool, zero_point: int
) -> None:
    """Its columns of the dense layer's weights go, too, one for each pixel."""
    dead = [i in (1, 2, 6, 7) for i in range(8)]
    model = flattened(dead, shape=shape, pool=pool, zero_point=zero_point)
    assert widths(model) == [4, *([4] if pool else []), 5]
    graph = run_passes(read_graph(model)).graph
    assert graph.view(graph.nodes[-1]).input(1).shape == (5, (6 if pool else 24) * 4)
    assert_exact(model, c=False)


def test_the_c_of_a_dead_filter_before_a_flattened_image() -> None:
    assert_exact(flattened([i in (1, 2, 6, 7) for i in range(8)], zero_point=-20))


@pytest.mark.parametrize("dead", [[True], [False, True, False], [i == 2 for i in range(4)]])
def test_a_few_channels_stay(dead: list[bool]) -> None:
    """Also if the whole image has one channel: an axis of length 1 is not another axis's mask."""
    model = flattened(dead)
    assert widths(model) == [len(dead), len(dead), 5]
    assert_exact(model, c=False)


@pytest.mark.parametrize("shape", [(1, 16, -1), (1, 8, 6), (1, 1, 48, 1)])
def test_rows_that_cut_the_channels_apart(shape: tuple[int, ...]) -> None:
    """The dense layer reads whole pixels, in a shape that has other rows."""
    model = flattened([i in (1, 2, 6, 7) for i in range(8)], shape=shape)
    assert widths(model)[:2] == [8, 8]
    assert_exact(model, c=False)


def test_a_pooling_that_sees_other_channels() -> None:
    """Two pixels of eight channels, seen as one pixel of sixteen."""
    b, draw = ModelBuilder(), np.random.default_rng(0)
    x = b.tensor((1, 4, 4, 3), scale=0.1, zero_point=-7)
    bias = np.where(np.arange(8) < 4, DEAD, 9)
    t = convolution(b, draw, x, (1, 4, 4, 8), depth=3, bias=bias)
    seen, pooled = (
        b.tensor((1, n, 2, 16), scale=0.1 * np.sqrt(3), zero_point=-128) for n in (4, 2)
    )
    b.operator("RESHAPE", [t, b.constant(np.array((1, 4, 2, 16), np.int32))], [seen])
    options = schema.Pool2DOptionsT()
    options.strideH = options.filterHeight = 2
    options.strideW = options.filterWidth = 1
    b.operator("MAX_POOL_2D", [seen], [pooled], options)
    y = convolution(b, draw, pooled, (1, 2, 2, 7), depth=16, bias=[0] * 7)
    model = b.finish([x], [y])
    assert widths(model) == [8, 16, 7]
    assert_exact(model, c=False)


def test_a_new_bias_has_the_scale_that_tflm_wants() -> None:
    model = flattened(
        [i < 4 for i in range(8)], zero_point=-20, bias=False, one_scale=True, pool=False
    )
    assert widths(model) == [4, 5]
    assert_exact(model, c=False)


def test_windows_in_the_border_alone_see_no_constant() -> None:
    """A dead channel of -20 after PADV2 with -128 and MAX_POOL_2D is not the same everywhere."""
    b, draw = ModelBuilder(), np.random.default_rng(0)
    x = b.tensor((1, 4, 4, 3), scale=0.1, zero_point=-7)
    bias = np.where(np.arange(8) < 4, -DEAD, 9)
    t = convolution(b, draw, x, (1, 4, 4, 8), depth=3, bias=bias, zero_point=127)
    padded, pooled = (
        b.tensor((1, n, n, 8), scale=0.1 * np.sqrt(3), zero_point=127) for n in (8, 4)
    )
    amounts = np.array([(0, 0), (2, 2), (2, 2), (0, 0)], np.int32)
    value = b.constant(np.array(-128, np.int8), scale=0.1 * np.sqrt(3), zero_point=127)
    b.operator("PADV2", [t, b.constant(amounts), value], [padded])
    options = schema.Pool2DOptionsT()
    options.strideH = options.strideW = options.filterHeight = options.filterWidth = 2
    options.padding = 1
    b.operator("MAX_POOL_2D", [padded], [pooled], options)
    y = convolution(b, draw, pooled, (1, 4, 4, 7), depth=8, bias=[0] * 7)
    model = b.finish([x], [y])
    assert widths(model) == [8, 8, 7]
    assert_exact(model)


def test_knowledge_of_rows_of_another_length() -> None:
    mask, values = np.array([True, True, False, True]), np.array([5, 7, 0, 5])
    fixed = drop_channels._Fixed(mask, values)
    longer, shorter, single = (fixed.in_rows(n) for n in (8, 2, 1))
    assert longer.mask.tolist() == [True, True, False, True] * 2
    assert longer.values.tolist() == [5, 7, 0, 5] * 2
    assert shorter.mask.tolist() == [False, False]  # 5 and an unknown, 7 and 5
    assert single.mask.tolist() == [False]
    alike = drop_channels._Fixed(np.array([True] * 3), np.array([5] * 3)).in_rows(2)
    assert (alike.mask.tolist(), alike.values.tolist()) == ([True, True], [5, 5])
