"""The kernels with assembly, over many shapes: on this computer and on the emulated Cortex-M4.

One model holds many operators beside each other, so that one program runs them all. Shapes and
numbers are drawn with fixed seeds; extremes of zero points and clamps are among them. `make
fuzz-kernels` draws others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import assert_exact
from tests.tflite_builder import ModelBuilder
from tflm_ext.bench import bench

OPERATORS = 16
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 33)
ZERO_POINTS = (-128, -3, 0, 64, 127)
Draw = np.random.Generator


def pick(draw: Draw, values: Any) -> Any:
    return values[int(draw.integers(len(values)))]


def window(draw: Draw, sizes: tuple[int, int], window: tuple[int, int]) -> dict[str, Any]:
    """Strides, dilations and padding for which there is an output."""
    dilation = tuple(
        int(draw.integers(1, 3)) if k > 1 and draw.random() < 0.2 else 1 for k in window
    )
    extent = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    fits = all(n >= e for n, e in zip(sizes, extent, strict=True))
    same = not fits or bool(draw.integers(2))
    stride = tuple(pick(draw, (1, 1, 2, 3)) for _ in range(2))
    if draw.random() < 0.5 or max(dilation) > 1:
        stride = (stride[0], stride[0]) if max(dilation) == 1 else (1, 1)
    out = [
        -(-n // s) if same else (n + s - e) // s
        for n, s, e in zip(sizes, stride, extent, strict=True)
    ]
    return {"stride": stride, "dilation": dilation, "same": same, "out": out}


def set_window(options: Any, drawn: dict[str, Any]) -> None:
    options.padding = 0 if drawn["same"] else 1
    options.strideH, options.strideW = drawn["stride"]
    options.dilationHFactor, options.dilationWFactor = drawn["dilation"]


def scales(draw: Draw, count: int) -> Any:
    return draw.uniform(0.002, 0.05, count)


def pointwise(b: ModelBuilder, draw: Draw) -> tuple[int, int]:
    """Filters of 1 x 1 on a multiple of four channels; more of them, fewer or as many."""
    drawn = {"stride": (1, 1), "dilation": (1, 1), "same": True}
    sizes = int(draw.integers(1, 5)), int(draw.integers(1, 9))
    channels = pick(draw, (4, 8, 12, 16, 20, 24, 36))
    return convolution_of(b, draw, sizes, (1, 1), drawn | {"out": sizes}, channels)


def convolution(b: ModelBuilder, draw: Draw) -> tuple[int, int]:
    sizes = int(draw.integers(1, 9)), int(draw.integers(1, 9))
    size = pick(draw, [(1, 1), (3, 3), (3, 3), (2, 5), (5, 1), (4, 7), (1, 3)])
    return convolution_of(b, draw, sizes, size, window(draw, sizes, size), pick(draw, CHANNELS))


def convolution_of(
    b: ModelBuilder,
    draw: Draw,
    sizes: tuple[int, int],
    size: tuple[int, int],
    drawn: dict[str, Any],
    channels: int,
) -> tuple[int, int]:
    outputs = pick(draw, CHANNELS)
    batches = pick(draw, (1, 1, 2))
    own = scales(draw, outputs)
    weights = draw.integers(-127, 128, (outputs, *size, channels), np.int8)
    if draw.random() < 0.2:
        weights[int(draw.integers(outputs))] = 0  # a dead channel
    bias = draw.integers(-3000, 3000, outputs, np.int32)
    x = b.tensor((batches, *sizes, channels), scale=0.05, zero_point=pick(draw, ZERO_POINTS))
    out_scale = pick(draw, (0.01, 0.1, 0.3, 2.0))
    y = b.tensor(
        (batches, *drawn["out"], outputs), scale=out_scale, zero_point=pick(draw, ZERO_POINTS)
    )
    options = schema.Conv2DOptionsT()
    set_window(options, drawn)
    options.fusedActivationFunction = pick(draw, (0, 0, 0, 1))
    inputs = [x, b.constant(weights, scale=own), b.constant(bias, scale=own * 0.05)]
    b.operator("CONV_2D", inputs, [y], options)
    return x, y


def depthwise(b: ModelBuilder, draw: Draw) -> tuple[int, int]:
    sizes = int(draw.integers(1, 12)), int(draw.integers(1, 12))
    size = pick(draw, [(3, 3), (3, 3), (3, 3), (1, 5), (2, 5), (4, 3), (2, 2), (5, 5), (1, 1)])
    return depthwise_of(b, draw, sizes, size, window(draw, sizes, size))


def signal(b: ModelBuilder, draw: Draw) -> tuple[int, int]:
    """Filters of one row or one column, on several rows or on one."""
    length, taps = int(draw.integers(1, 60)), int(draw.integers(1, 12))
    dilation = int(draw.integers(1, 5)) if draw.random() < 0.4 else 1
    stride = 1 if dilation > 1 else pick(draw, (1, 1, 2))
    extent = (taps - 1) * dilation + 1
    same = length < extent or bool(draw.integers(2))
    out = -(-length // stride) if same else (length + stride - extent) // stride
    rows = 1 if draw.random() < 0.7 else int(draw.integers(2, 4))
    flat = rows > 1 or bool(draw.integers(2))
    turn = 1 if flat else -1
    drawn = {
        "same": same,
        "out": (rows, out)[::turn],
        "stride": (stride, stride),
        "dilation": (dilation, dilation)[::turn],
    }
    if rows > 1:  # these strides are those of the rows, too
        drawn["out"] = (-(-rows // stride), out)
    return depthwise_of(b, draw, (rows, length)[::turn], (1, taps)[::turn], drawn)


def whole(b: ModelBuilder, draw: Draw) -> tuple[int, int]:
    """Filters as large as the image, or nearly."""
    sizes = int(draw.integers(1, 9)), int(draw.integers(4, 20))
    size = sizes[0] - int(draw.integers(0, min(2, sizes[0]))), sizes[1] - int(draw.integers(0, 2))
    out = [n - k + 1 for n, k in zip(sizes, size, strict=True)]
    drawn = {"stride": (1, 1), "dilation": (1, 1), "same": False, "out": out}
    return depthwise_of(b, draw, sizes, size, drawn)


def depthwise_of(
    b: ModelBuilder,
    draw: Draw,
    sizes: tuple[int, int],
    size: tuple[int, int],
    drawn: dict[str, Any],
) -> tuple[int, int]:
    channels = pick(draw, (4, 5, 7, 8, 9, 16, 17))
    batches = pick(draw, (1, 1, 2))
    own = scales(draw, channels)
    weights = draw.integers(-127, 128, (1, *size, channels), np.int8)
    bias = draw.integers(-3000, 3000, channels, np.int32)
    x = b.tensor((batches, *sizes, channels), scale=0.05, zero_point=pick(draw, ZERO_POINTS))
    y = b.tensor((batches, *drawn["out"], channels), scale=0.2, zero_point=pick(draw, ZERO_POINTS))
    options = schema.DepthwiseConv2DOptionsT()
    set_window(options, drawn)
    options.depthMultiplier = 1
    inputs = [x, b.constant(weights, scale=own, axis=3), b.constant(bias, scale=own * 0.05)]
    b.operator("DEPTHWISE_CONV_2D", inputs, [y], options)
    return x, y


def dense(b: ModelBuilder, draw: Draw) -> tuple[int, int]:
    depth, outputs = int(draw.integers(1, 50)), pick(draw, CHANNELS)
    rows = pick(draw, (1, 1, 1, 3))
    own = scales(draw, outputs if draw.random() < 0.5 else 1).astype(np.float32)
    weights = draw.integers(-127, 128, (outputs, depth), np.int8)
    bias = draw.integers(-3000, 3000, outputs, np.int32)
    x = b.tensor((rows, depth), scale=0.05, zero_point=pick(draw, ZERO_POINTS))
    y = b.tensor((rows, outputs), scale=0.3, zero_point=pick(draw, ZERO_POINTS))
    inputs = [x, b.constant(weights, scale=own), b.constant(bias, scale=own * np.float32(0.05))]
    b.operator("FULLY_CONNECTED", inputs, [y], schema.FullyConnectedOptionsT())
    return x, y


def pooling(b: ModelBuilder, draw: Draw) -> tuple[int, int]:
    channels, point = pick(draw, (4, 8, 12, 5)), pick(draw, ZERO_POINTS)
    sizes = int(draw.integers(2, 9)), int(draw.integers(2, 9))
    size = int(draw.integers(1, sizes[0] + 1)), int(draw.integers(1, sizes[1] + 1))
    out = [n - k + 1 for n, k in zip(sizes, size, strict=True)]
    x = b.tensor((1, *sizes, channels), scale=0.05, zero_point=point)
    y = b.tensor((1, *out, channels), scale=0.05, zero_point=point)
    options = schema.Pool2DOptionsT()
    options.padding, options.strideH, options.strideW = 1, 1, 1
    options.filterHeight, options.filterWidth = size
    b.operator("AVERAGE_POOL_2D", [x], [y], options)
    return x, y


def elementwise(b: ModelBuilder, draw: Draw) -> tuple[int, int]:
    """A number times or plus a constant: the other input of the model's operator."""
    shape = (1, int(draw.integers(1, 6)), pick(draw, CHANNELS))
    other = pick(draw, (shape, (1, 1, shape[2]), (1, 1, 1)))
    x = b.tensor(shape, scale=0.05, zero_point=pick(draw, ZERO_POINTS))
    values = draw.integers(-128, 128, other, np.int8)
    scale = float(draw.uniform(0.01, 0.2))
    c = b.constant(values, scale=[scale], zero_point=pick(draw, ZERO_POINTS))
    y = b.tensor(shape, scale=0.15, zero_point=pick(draw, ZERO_POINTS))
    inputs = [x, c] if draw.random() < 0.5 else [c, x]
    if draw.random() < 0.5:
        b.operator("ADD", inputs, [y], schema.AddOptionsT())
    else:
        b.operator("MUL", inputs, [y], schema.MulOptionsT())
    return x, y


def model(add: Callable[[ModelBuilder, Draw], tuple[int, int]], seed: int) -> bytes:
    """Many operators of one kind."""
    b, draw = ModelBuilder(), np.random.default_rng(seed)
    borders = [add(b, draw) for _ in range(OPERATORS)]
    return b.finish([x for x, _ in borders], [y for _, y in borders])


KINDS = (
    *(convolution, convolution, pointwise, depthwise, depthwise, signal, whole),
    *(dense, pooling, elementwise),
)
FIRST = int(os.environ.get("TFLM_EXT_KERNEL_SEED", "0"))
ROUNDS = int(os.environ.get("TFLM_EXT_KERNEL_ROUNDS", "1"))
CASES = [(add, FIRST + i) for i, add in enumerate(KINDS * ROUNDS)]
IDS = [f"{add.__name__}-{seed}" for add, seed in CASES]


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm", "cc")
@pytest.mark.parametrize(("add", "seed"), CASES, ids=IDS)
def test_equal_on_host_and_core(
    tmp_path: Path, add: Callable[[ModelBuilder, Draw], tuple[int, int]], seed: int
) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(model(add, seed))
    plan = assert_exact(path.read_bytes())
    bench(path)  # compares with TensorFlow Lite Micro
    kernels = {step.kernel.name for step in plan.steps}
    fast = {
        convolution: {"conv_2d_tile"},
        pointwise: {"conv_2d_pointwise"},
        depthwise: {"depthwise_conv_2d_3x3", "depthwise_conv_2d_lines"},
        signal: {f"depthwise_conv_1d_{taps}" for taps in (6, 10)},
        whole: {"depthwise_conv_2d_direct"},
        dense: {"fully_connected_tile"},
        pooling: {"average_pool_2d_fours"},
        elementwise: {"add_scaled", "mul_scaled"},
    }
    assert fast[add] & kernels
    if seed < len(KINDS):  # the suite's own; what others draw is chance
        assert fast[add] <= kernels
