"""Convolutions whose filter covers the whole image run as dense layers, and others do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.ops.test_conv_2d import conv_2d
from tests.tflite_builder import ModelBuilder
from tflm_ext.frontend import read_graph
from tflm_ext.ir import Graph, NodeView
from tflm_ext.opslib.windows import Axis
from tflm_ext.passes import run_passes, use_dense


def rewritten(model: bytes) -> tuple[Graph, list[str]]:
    """The graph after all rewrites, and its operators."""
    graph = run_passes(read_graph(model, "net"), strict=True).graph
    return graph, [node.operator for node in graph.nodes]


COVERING: dict[str, dict[str, Any]] = {
    "valid": {"same": False},
    "same, long strides": {"same": True, "stride": (4, 5)},
    "strides": {"same": False, "stride": (2, 3)},
    "one row": {"height": 1, "window": (1, 5), "same": False},
    "one pixel": {"height": 1, "width": 1, "window": (1, 1)},
    "dilated by one element": {"height": 1, "window": (1, 5), "dilation": (3, 1), "same": False},
    "one channel": {"channels": 1, "outputs": 1, "same": False},
    "batches": {"batches": 3, "same": False},
    "one scale": {"per_channel": False, "same": False},
    "without bias": {"bias": False, "same": False},
    "one scale, without bias": {"per_channel": False, "bias": False, "same": False},
    "relu": {"activation": 1, "same": False},
    "relu6": {"activation": 3, "same": False, "output_scale": 0.03},
    "zero points": {"zero_points": (127, -128), "same": False},
    "long": {
        "height": 9,
        "width": 8,
        "window": (9, 8),
        "channels": 12,
        "outputs": 13,
        "same": False,
    },
}


def covering(**options: Any) -> bytes:
    """A convolution over an image of 4 x 5 whose window has that size, with other options."""
    return conv_2d(**{"height": 4, "width": 5, "window": (4, 5), **options})


@pytest.mark.parametrize("kind", COVERING)
def test_a_filter_that_covers_the_image(kind: str) -> None:
    model = covering(**COVERING[kind])
    graph, operators = rewritten(model)
    assert operators == ["FULLY_CONNECTED"]
    (view,) = graph.views()
    image, matrix, out = view.input(0), view.input(1), view.output()
    assert matrix.shape == (out.shape[3], image.elements // image.shape[0])
    assert_exact(model, c=kind in ("valid", "batches", "one scale, without bias"))


@pytest.mark.parametrize(
    "options",
    [
        {"window": (3, 5)},
        {"window": (4, 4)},
        {"window": (3, 5), "stride": (2, 1)},  # one position, which does not reach the last row
        {"same": True},  # as many positions as pixels
        {"same": True, "stride": (4, 1)},
        {"height": 2, "window": (2, 5), "dilation": (2, 1), "same": True, "stride": (1, 5)},
        {"channels": 4, "groups": 2},
        {"channels": 4, "groups": 4},
        {"height": 1, "width": 1, "window": (3, 3), "same": True},  # it covers the border, too
    ],
    ids=str,
)
def test_other_filters_stay_convolutions(options: dict[str, Any]) -> None:
    model = covering(**{"same": False, **options})
    assert rewritten(model)[1] == ["CONV_2D"]
    assert_exact(model, c=False)


def padded(
    border: tuple[int, int, int, int],
    window: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> bytes:
    """PAD with a border (top, bottom, left, right), then a convolution, of an image of 3 x 3."""
    draw = np.random.default_rng(1)
    top, bottom, left, right = border
    b = ModelBuilder()
    x = b.tensor((1, 3, 3, 2), scale=0.05, zero_point=-7)
    sizes = (3 + top + bottom, 3 + left + right)
    image = b.tensor((1, *sizes, 2), scale=0.05, zero_point=-7)
    amounts = np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
    b.operator("PAD", [x, b.constant(amounts)], [image])
    weights = b.constant(draw.integers(-127, 128, (4, *window, 2), np.int8), scale=[0.01])
    out = [
        (size - (reach - 1) * far - 1) // step + 1
        for size, reach, step, far in zip(sizes, window, stride, dilation, strict=True)
    ]
    y = b.tensor((1, *out, 4), scale=0.1)
    options = schema.Conv2DOptionsT()
    options.padding = 1
    options.strideH, options.strideW = stride
    options.dilationHFactor, options.dilationWFactor = dilation
    b.operator("CONV_2D", [image, weights], [y], options)
    return b.finish([x], [y])


BORDERS: dict[str, tuple[bytes, list[str]]] = {
    "covered with the border": (padded((1, 0, 0, 2), (4, 5)), ["CONV_2D"]),
    "above, and the last row is not read": (padded((1, 0, 0, 0), (3, 3), (2, 1)), ["CONV_2D"]),
    "left, and the last column is not read": (padded((0, 0, 1, 0), (3, 3), (1, 2)), ["CONV_2D"]),
    "below, and never read": (padded((0, 1, 0, 0), (3, 3), (2, 1)), ["FULLY_CONNECTED"]),
    "below, and read by a dilated window": (
        padded((0, 2, 0, 0), (3, 3), dilation=(2, 1)),
        ["CONV_2D"],
    ),
    "to the right, and read by a dilated window": (
        padded((0, 0, 0, 2), (3, 3), dilation=(1, 2)),
        ["CONV_2D"],
    ),
}


@pytest.mark.parametrize("kind", BORDERS)
def test_borders(kind: str) -> None:
    """The window is as large as the image, but does not always cover it."""
    model, operators = BORDERS[kind]
    assert rewritten(model)[1] == operators
    assert_exact(model, c=False)


def two_convolutions() -> bytes:
    """They share weights; the second has another activation and other zero points."""
    draw = np.random.default_rng(2)
    b = ModelBuilder()
    x = b.tensor((1, 3, 4, 2), scale=0.05, zero_point=5)
    clamped = b.tensor((1, 3, 4, 2), scale=0.05, zero_point=5)
    b.operator("RELU", [x], [clamped])
    weights = b.constant(draw.integers(-127, 128, (6, 3, 4, 2), np.int8), scale=[0.01] * 6)
    bias = b.constant(draw.integers(-900, 900, 6, np.int32), scale=[0.01 * 0.05] * 6)
    outputs = [b.tensor((1, 1, 1, 6), scale=0.1, zero_point=zero) for zero in (3, -100)]
    for image, out, activation in zip((x, clamped), outputs, (0, 1), strict=True):
        options = schema.Conv2DOptionsT()
        options.padding = options.strideH = options.strideW = 1
        options.fusedActivationFunction = activation
        b.operator("CONV_2D", [image, weights, bias], [out], options)
    return b.finish([x], outputs)


def test_shared_weights_stay_shared() -> None:
    graph, operators = rewritten(two_convolutions())
    assert operators.count("FULLY_CONNECTED") == 2 and "CONV_2D" not in operators
    dense = [node for node in graph.nodes if node.operator == "FULLY_CONNECTED"]
    assert dense[0].inputs[1] == dense[1].inputs[1]
    assert_exact(two_convolutions())


@pytest.mark.parametrize("condition", [{"before": 0}, {"dilation": 1}], ids=str)
def test_both_conditions_on_the_border_are_needed(
    condition: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them, the proof of the rewrites refuses what the pass makes of these models."""
    real = use_dense.axes_of

    def blind(view: NodeView) -> tuple[Axis, ...]:
        return tuple(replace(axis, **condition) for axis in real(view))

    monkeypatch.setattr(use_dense, "axes_of", blind)
    graphs = [read_graph(model, "net") for model, _ in BORDERS.values()]
    refused = [item for graph in graphs for item in run_passes(graph, strict=False).left_out]
    assert {item.name for item in refused} == {"use dense"}
    assert all("different values" in item.problem for item in refused)
