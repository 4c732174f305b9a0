"""Single weights of packed tables can be found by the layout that is printed above the table."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder
from tflm_ext.arithmetic import Array
from tflm_ext.frontend import read_graph
from tflm_ext.ir import NodeView
from tflm_ext.kernels import Const, kernels_for
from tflm_ext.opslib.common import conv_multipliers

REQUANT = {
    "2 x 2 requant words": 4,
    "2 requant words": 2,
    "4 x 2 requant words": 8,
    "3 scale words": 3,
    "4 doubled biases": 4,
    "1 doubled bias": 1,
    "(bias, multiplier, shift)": 3,
    "2 x (bias, multiplier, shift)": 6,
    "4 x (bias, multiplier, shift)": 12,
}


def one_operator(
    operator: str,
    image: tuple[int, ...],
    weights: Array,
    out: tuple[int, ...],
    options: Any,
    **scales: Any,
) -> NodeView:
    b = ModelBuilder()
    x, y = b.tensor(image, scale=0.05, zero_point=3), b.tensor(out, scale=2.0)
    table = b.constant(weights, scale=0.01)
    if operator == "TRANSPOSE_CONV":
        shape = b.constant(np.array(out, np.int32))
        b.operator(operator, [shape, table, x], [y], options)
    else:
        b.operator(operator, [x, table], [y], options)
    graph = read_graph(b.finish([x], [y]), "net")
    return graph.view(graph.nodes[0])


def int8(*shape: int, least: int = -127) -> Array:
    return np.random.default_rng(7).integers(least, 128, shape).astype(np.int8)


def conv(image: tuple[int, ...], weights: Array, *, stride: int = 1) -> NodeView:
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = stride
    options.padding = schema.Padding.SAME
    out = (image[0], -(-image[1] // stride), -(-image[2] // stride), len(weights))
    return one_operator("CONV_2D", image, weights, out, options)


def depthwise(
    image: tuple[int, ...], weights: Array, *, inside: bool = False, **scales: Any
) -> NodeView:
    options = schema.DepthwiseConv2DOptionsT()
    options.strideH = options.strideW = options.depthMultiplier = 1
    options.padding = schema.Padding.VALID if inside else schema.Padding.SAME
    size = [n - k + 1 if inside else n for n, k in zip(image[1:3], weights.shape[1:3], strict=True)]
    out = (image[0], *size, image[3])
    return one_operator("DEPTHWISE_CONV_2D", image, weights, out, options)


def dense(rows: int, weights: Array) -> NodeView:
    units, depth = weights.shape
    options = schema.FullyConnectedOptionsT()
    return one_operator("FULLY_CONNECTED", (rows, depth), weights, (rows, units), options)


def transposed(weights: Array, stride: int) -> NodeView:
    options = schema.TransposeConvOptionsT()
    options.strideH = options.strideW = stride
    options.padding = schema.Padding.SAME
    image, out = (1, 4, 4, weights.shape[3]), (1, 4 * stride, 4 * stride, len(weights))
    return one_operator("TRANSPOSE_CONV", image, weights, out, options)


VIEWS = {
    "conv 3x3, odd": conv((1, 5, 5, 4), int8(5, 3, 3, 4)),
    "conv with rests": conv((1, 5, 5, 2), int8(4, 3, 3, 2)),
    "conv with -128": conv((1, 5, 5, 3), int8(5, 3, 3, 3, least=-128)),
    "conv 1x1": conv((1, 4, 4, 8), int8(6, 1, 1, 8)),
    "conv of a pixel": conv((1, 1, 1, 12), int8(7, 1, 1, 12)),
    "dense": dense(1, int8(10, 13)),
    "dense, rows": dense(3, int8(4, 16)),
    "depthwise 3x3": depthwise((1, 6, 6, 6), int8(1, 3, 3, 6)),
    "depthwise 3x3, inside": depthwise((1, 6, 6, 8), int8(1, 3, 3, 8), inside=True),
    "depthwise 5x4": depthwise((1, 7, 7, 5), int8(1, 5, 4, 5)),
    "depthwise 1x5": depthwise((1, 1, 20, 8), int8(1, 1, 5, 8)),
    "depthwise 1x9": depthwise((1, 1, 20, 4), int8(1, 1, 9, 4)),
    "transposed": transposed(int8(4, 3, 3, 4), 2),
    "transposed, even": transposed(int8(3, 2, 2, 8), 2),
}
CALLS = [
    pytest.param(view, kernel, id=f"{name}, {kernel.name}")
    for name, view in VIEWS.items()
    for kernel in kernels_for(view)
]
PACKED = {
    "conv_2d_any",
    "conv_2d_pointwise",
    "conv_2d_tile",
    "depthwise_conv_1d_10",
    "depthwise_conv_1d_6",
    "depthwise_conv_2d_3x3",
    "depthwise_conv_2d_any",
    "depthwise_conv_2d_direct",
    "depthwise_conv_2d_lines",
    "fully_connected_any",
    "fully_connected_tile",
    "transpose_conv_tile",
}


def test_all_packed_kernels_are_tried() -> None:
    packed = {
        param.values[1].name
        for param in CALLS
        if "words" in table_of(param.values[1].lower(param.values[0])).layout
    }
    assert packed == PACKED


def table_of(call: Any) -> Const:
    return next(a for a in call.arguments if isinstance(a, Const) and a.role == "weights")


@pytest.mark.parametrize(("view", "kernel"), CALLS)
def test_weights_are_where_the_layout_says(view: NodeView, kernel: Any) -> None:
    const = table_of(kernel.lower(view))
    table = np.frombuffer(const.data, const.dtype.numpy).astype(np.int64)
    weights = view.input(1).array().astype(np.int64)
    if "words" not in const.layout:
        dims = [int(n) for n in re.findall(r"\[\w+ (\d+)\]", const.layout)]
        shape = [n for n in weights.shape if n > 1] or [1]
        assert [n for n in dims if n > 1] == shape
        np.testing.assert_array_equal(table, weights.ravel())
    elif "DEPTHWISE" in view.node.operator:
        np.testing.assert_array_equal(depthwise_weights(const.layout, table), weights[0])
    elif "TRANSPOSE" in view.node.operator:
        np.testing.assert_array_equal(
            transposed_weights(const.layout, table, weights.shape), weights
        )
    else:
        flat = weights.reshape(len(weights), -1)
        found, rest = stream(const.layout, table)
        assert rest.size == 0
        np.testing.assert_array_equal(in_order(const.layout, found, weights.shape), flat)


def int8_of(words: Array) -> Array:
    """Byte words: (words, 4), the first in the lowest byte."""
    return words.astype("<i4")[:, np.newaxis].view(np.int8).astype(np.int64)


def halves_of(words: Array) -> Array:
    """(words, 2): the low and the high half."""
    return words.astype("<i4")[:, np.newaxis].view("<i2").astype(np.int64)


def by_quads(halves: Array) -> Array:
    """Of every four, the first word has 0 and 2, the second 1 and 3."""
    return halves.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1)


def stream(layout: str, table: Array) -> tuple[Array, Array]:
    """(filters, values) of a stream of tiles, and what follows it."""
    filters: list[Array] = []
    for kind, count, words in re.findall(r"\[([a-z0-9 ]+?),? (\d+)\]\[([^]]*words[^]]*)\]", layout):
        body, requant = words.split(", ", 1)
        match = re.fullmatch(r"(\d+)(?: x (\d+))? (pair|half|byte) words", body)
        assert match, body
        columns, sides = int(match[1]), int(match[2] or 1)
        if kind == "filter and zeros":
            assert requant == "(bias, multiplier, shift)"
        for _ in range(int(count)):
            own = table[: columns * sides].reshape(columns, sides).T
            table = table[columns * sides + REQUANT[requant] :]
            if match[3] == "byte":
                found = [int8_of(side).reshape(-1) for side in own]
                filters += found[:1] if kind == "filter and zeros" else found
            elif match[3] == "half":
                filters += [by_quads(halves_of(side)) for side in own]
            else:
                for side in own:
                    both = by_quads(halves_of(side))
                    low = (both + 128) % 256 - 128
                    filters += [low, (both - low) // 256]
    return np.stack(filters), table


def in_order(layout: str, found: Array, shape: tuple[int, ...]) -> Array:
    """Filters in the order of the model: [y][x][channel], without the zeros at the end."""
    size = int(np.prod(shape[1:]))
    assert not found[:, size:].any()
    found = found[:, :size]
    split = re.search(r"of every y first (\d+) weights, then the last (\d+) of every y", layout)
    if split is None:
        return found
    first, last = int(split[1]), int(split[2])
    rows = shape[1]
    whole = found[:, : rows * first].reshape(len(found), rows, first)
    rests = found[:, rows * first :].reshape(len(found), rows, last)
    return np.concatenate([whole, rests], axis=2).reshape(len(found), -1)


def depthwise_weights(layout: str, table: Array) -> Array:
    """(rows, columns, channels)."""
    groups = re.match(r"\[group of 4 channels, (\d+)\]\[(\d+) byte words, ([^]]+)\]", layout)
    if groups:
        places = re.search(r"\[y (\d+)\]\[x (\d+)\] of a weight for each channel", layout)
        assert places
        words = table.reshape(int(groups[1]), -1)[:, : -REQUANT[groups[3]]]
        by_group = int8_of(words.ravel()).reshape(int(groups[1]), int(places[1]), int(places[2]), 4)
        channels = by_group.transpose(1, 2, 0, 3)
        last = re.search(r"the last group is channels (\d+) to (\d+)", layout)
        if last is None:
            return channels.reshape(*channels.shape[:2], -1)
        count = int(last[2]) + 1
        flat = np.zeros((*channels.shape[:2], count), np.int64)
        for group in range(channels.shape[2]):
            start = int(last[1]) if group == channels.shape[2] - 1 else 4 * group
            flat[..., start : start + 4] = channels[:, :, group]
        return flat
    match = re.match(r"\[channel (\d+)\]\[(\d+) byte words(?: \(([^)]*)\))?, ([^]]+)\]", layout)
    assert match
    own = table.reshape(int(match[1]), -1)
    assert own.shape[1] == int(match[2]) + REQUANT[match[4]]
    taps = int8_of(own[:, : int(match[2])].ravel()).reshape(int(match[1]), -1, 4)
    if match[3]:
        assert match[3] == "y 0, 1, 1, 2 of each x"
        return taps[..., [0, 1, 3]].transpose(2, 1, 0)
    places = re.search(r"taps \[y (\d+)\]\[x (\d+)(, and a 0)?\], in bytes 0, 2, 1, 3", layout)
    assert places
    rows, columns, filled = int(places[1]), int(places[2]), bool(places[3])
    flat = taps[..., [0, 2, 1, 3]].reshape(len(taps), -1)[:, : rows * (columns + filled)]
    by_row = flat.reshape(len(taps), rows, columns + filled)
    assert not by_row[..., columns:].any()
    return by_row[..., :columns].transpose(1, 2, 0)


def transposed_weights(layout: str, table: Array, shape: tuple[int, ...]) -> Array:
    """(filters, rows, columns, channels)."""
    match = re.fullmatch(r"\[remainder of y (\d+)\]\[remainder of x (\d+)\], each: (.*)", layout)
    assert match
    strides = int(match[1]), int(match[2])
    phases = match[3].split("; ")
    weights = np.zeros(shape, np.int64)
    for number in range(strides[0] * strides[1]):
        phase = phases[number % len(phases)]
        found, table = stream(phase, table)
        y, x = divmod(number, strides[1])
        sizes = [int(n) for n in re.findall(r"\[(?:y|x|channel) (\d+)\]", phase)]
        own = found[:, : int(np.prod(sizes))].reshape(len(found), *sizes)
        weights[:, y :: strides[0], x :: strides[1]] = own
    assert table.size == 0
    return weights


def test_requant_words_are_what_the_terms_say() -> None:
    view = VIEWS["depthwise 3x3"]
    (kernel,) = (k for k in kernels_for(view) if k.name == "depthwise_conv_2d_3x3")
    const = table_of(kernel.lower(view))
    table = np.frombuffer(const.data, "<i4").astype(np.int64).reshape(6, -1)
    multipliers, shifts = conv_multipliers(view.input(0), view.input(1), view.output(), 6)
    bias = -3 * view.input(1).array().astype(np.int64).sum((0, 1, 2))
    np.testing.assert_array_equal(table[:, -2], 256 * bias + 32 - -np.array(shifts))
    np.testing.assert_array_equal(table[:, -1], 2 * np.array(multipliers) - 2**32)
