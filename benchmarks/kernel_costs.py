"""Fit the costs of every kernel and write tflm_ext/targets/cores/*/costs.toml: `make kernel-costs`.

    python -m benchmarks.kernel_costs [--core CORE] [KERNEL ...]

Layers of many shapes, with random weights of fixed seeds, run on the emulated core with each
kernel that can run them. Every layer runs twice: together with others of its kind, with which it
shares compiled code, and alone, so that the compiler specialises the code for it. For both cases,
instructions and cycles are fitted to how often the pieces of a kernel run (Kernel.work), by least
squares of the relative error, without negative coefficients. Run it after adding or changing a
kernel; it takes about ten minutes for a core, and much less for one kernel.
"""

from __future__ import annotations

import argparse
import itertools
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.harness import facts_for
from tests.ops.test_unidirectional_sequence_lstm import lstm
from tests.tflite_builder import ModelBuilder
from tflm_ext.bench.emulator import compiler_name, measure
from tflm_ext.emit.model import model_files
from tflm_ext.frontend import read_graph
from tflm_ext.kernels import KERNELS, kernels_for
from tflm_ext.kernels.base import Work
from tflm_ext.passes import run_passes
from tflm_ext.plan.choice import Choice, KernelOption
from tflm_ext.plan.costs import cost_of
from tflm_ext.plan.plan import plan_of
from tflm_ext.targets import Board, Core, boards

ROOT = Path(__file__).resolve().parents[1]
CORES = ROOT / "tflm_ext" / "targets" / "cores"
TOGETHER = 10  # layers of a model
Draw = np.random.Generator
Shape: TypeAlias = tuple[int, ...]
Borders: TypeAlias = tuple[list[int], list[int]]
Layer: TypeAlias = Callable[[ModelBuilder, Draw], Borders]


def flags_of(core: Core) -> tuple[str, ...]:
    """What the models are compiled with, besides the board's flags."""
    return ("-O2", "-mfloat-abi=hard") if core.fpu else ("-O2",)


@dataclass(frozen=True, slots=True)
class Row:
    """A kernel ran a layer."""

    kernel: str
    alone: bool  # whether no other layer of the model ran with it
    work: Work
    instructions: int
    cycles: int | None


def window(sizes: Shape, size: Shape, strides: Shape, same: bool, dilations: Shape) -> Shape:
    """Size of the output."""
    extents = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    return tuple(
        -(-n // s) if same else (n + s - e) // s
        for n, s, e in zip(sizes, strides, extents, strict=True)
    )


def windowed(
    operator: str,
    sizes: Shape,
    channels: tuple[int, int],
    size: Shape,
    strides: Shape = (1, 1),
    *,
    same: bool = True,
    dilations: Shape = (1, 1),
) -> Layer:
    """A convolution; channels are those of input and output."""

    def add(b: ModelBuilder, draw: Draw) -> Borders:
        depthwise = operator == "DEPTHWISE_CONV_2D"
        ins, outs = channels
        shape = (1, *size, outs) if depthwise else (outs, *size, ins)
        own = draw.uniform(0.002, 0.02, outs)
        weights = draw.integers(-127, 128, shape, np.int8)
        bias = draw.integers(-3000, 3000, outs, np.int32)
        x = b.tensor((1, *sizes, ins), scale=0.05, zero_point=int(draw.integers(-128, 128)))
        out = window(sizes, size, strides, same, dilations)
        y = b.tensor((1, *out, outs), scale=0.3, zero_point=int(draw.integers(-128, 128)))
        options: Any = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding = 0 if same else 1
        options.strideH, options.strideW = strides
        options.dilationHFactor, options.dilationWFactor = dilations
        if depthwise:
            options.depthMultiplier = outs // ins
        filters = b.constant(weights, scale=own, axis=3 if depthwise else 0)
        b.operator(operator, [x, filters, b.constant(bias, scale=own * 0.05)], [y], options)
        return [x], [y]

    return add


def dense(depth: int, units: int, rows: int = 1, per_channel: bool = False) -> Layer:
    def add(b: ModelBuilder, draw: Draw) -> Borders:
        own = draw.uniform(0.002, 0.02, units if per_channel else 1).astype(np.float32)
        weights = draw.integers(-127, 128, (units, depth), np.int8)
        bias = draw.integers(-3000, 3000, units, np.int32)
        x = b.tensor((rows, depth), scale=0.05, zero_point=int(draw.integers(-128, 128)))
        y = b.tensor((rows, units), scale=0.3, zero_point=int(draw.integers(-128, 128)))
        inputs = [x, b.constant(weights, scale=own), b.constant(bias, scale=own * np.float32(0.05))]
        b.operator("FULLY_CONNECTED", inputs, [y], schema.FullyConnectedOptionsT())
        return [x], [y]

    return add


def pool(operator: str, sizes: Shape, channels: int, size: Shape, strides: Shape) -> Layer:
    def add(b: ModelBuilder, draw: Draw) -> Borders:
        point = int(draw.integers(-128, 128))
        x = b.tensor((1, *sizes, channels), scale=0.05, zero_point=point)
        out = window(sizes, size, strides, False, (1, 1))
        y = b.tensor((1, *out, channels), scale=0.05, zero_point=point)
        options = schema.Pool2DOptionsT()
        options.padding = 1
        options.strideH, options.strideW = strides
        options.filterHeight, options.filterWidth = size
        b.operator(operator, [x], [y], options)
        return [x], [y]

    return add


def other(
    operator: str,
    inputs: Sequence[Shape],
    outputs: Sequence[Shape],
    *,
    before: Sequence[Any] = (),
    after: Sequence[Any] = (),
    scales: tuple[float, float, float] = (0.05, 0.04, 0.1),
    points: Shape = (-3, 5, 7),
    version: int = 1,
    variable: bool = False,
    **settings: Any,
) -> Layer:
    """Any other operator.

    Args:
        before, after: constant inputs before those that are computed, and after.
        scales, points: of the inputs, and the last of the outputs.
        variable: whether the inputs are variables of the model.
        settings: members of its options.
    """

    def add(b: ModelBuilder, draw: Draw) -> Borders:
        front = [b.constant(np.array(values, np.int32)) for values in before]
        xs = [
            b.tensor(
                shape, scale=scales[min(i, 1)], zero_point=points[min(i, 1)], variable=variable
            )
            for i, shape in enumerate(inputs)
        ]
        behind = [b.constant(np.array(values, np.int32)) for values in after]
        ys = [b.tensor(shape, scale=scales[2], zero_point=points[2]) for shape in outputs]
        options = None
        if settings:
            name = settings.pop("options")
            options = getattr(schema, f"{name}OptionsT")()
            for key, value in settings.items():
                setattr(options, key, value)
            settings["options"] = name
        b.operator(operator, [*front, *xs, *behind], ys, options, version=version)
        return [] if variable else xs, ys

    return add


def alike(operator: str, inputs: Sequence[Shape], outputs: Sequence[Shape], **more: Any) -> Layer:
    """An operator that demands one quantisation everywhere."""
    return other(operator, inputs, outputs, scales=(0.1, 0.1, 0.1), points=(4, 4, 4), **more)


def upsampled(sizes: Shape, channels: tuple[int, int], size: Shape, strides: Shape) -> Layer:
    """A transposed convolution; sizes are those of the output."""

    def add(b: ModelBuilder, draw: Draw) -> Borders:
        ins, outs = channels
        own = draw.uniform(0.002, 0.02, outs)
        weights = draw.integers(-127, 128, (outs, *size, ins), np.int8)
        x = b.tensor((1, *window(sizes, size, strides, True, (1, 1)), ins), scale=0.05)
        y = b.tensor((1, *sizes, outs), scale=0.2, zero_point=7)
        shape = b.constant(np.array((1, *sizes, outs), np.int32))
        bias = b.constant(draw.integers(-2000, 2000, outs, np.int32), scale=own * 0.05)
        options = schema.TransposeConvOptionsT()
        options.padding = 0
        options.strideH, options.strideW = strides
        inputs = [shape, b.constant(weights, scale=own), x, bias]
        b.operator("TRANSPOSE_CONV", inputs, [y], options, version=3)
        return [x], [y]

    return add


def convolutions() -> Iterator[Layer]:
    shapes: list[tuple[Shape, tuple[int, int], Shape, Shape]] = [
        ((32, 32), (3, 16), (3, 3), (1, 1)),
        ((32, 32), (16, 16), (3, 3), (1, 1)),
        ((32, 32), (16, 32), (3, 3), (2, 2)),
        ((16, 16), (32, 32), (3, 3), (1, 1)),
        ((8, 8), (64, 64), (3, 3), (1, 1)),
        ((16, 16), (32, 64), (1, 1), (2, 2)),
        ((48, 48), (3, 8), (3, 3), (2, 2)),
        ((49, 10), (1, 64), (10, 4), (2, 2)),
        ((28, 28), (1, 8), (3, 3), (1, 1)),
        ((14, 14), (8, 12), (3, 3), (1, 1)),
        ((12, 12), (10, 13), (3, 3), (1, 1)),
        ((20, 20), (5, 7), (3, 3), (1, 1)),
        ((9, 11), (6, 9), (5, 5), (1, 1)),
        ((24, 24), (4, 16), (5, 5), (2, 2)),
        ((41, 13), (1, 23), (9, 3), (2, 2)),
        ((10, 10), (23, 30), (1, 1), (1, 1)),
        ((16, 16), (9, 16), (1, 1), (1, 1)),
        ((1, 128), (3, 16), (1, 7), (1, 2)),
        ((1, 64), (16, 32), (1, 5), (1, 2)),
        ((1, 32), (32, 32), (1, 3), (1, 1)),
        ((30, 1), (40, 32), (3, 1), (1, 1)),
        ((28, 1), (32, 32), (5, 1), (1, 1)),
        ((96, 1), (4, 8), (8, 1), (4, 1)),
        ((6, 6), (96, 48), (3, 3), (1, 1)),
        ((4, 4), (128, 64), (3, 3), (1, 1)),
        ((3, 3), (20, 11), (2, 2), (1, 1)),
        ((16, 16), (2, 3), (3, 3), (1, 1)),
        ((12, 12), (7, 16), (7, 7), (2, 2)),
    ]
    for i, (sizes, channels, size, strides) in enumerate(shapes):
        yield windowed("CONV_2D", sizes, channels, size, strides, same=i % 3 != 2)
    for i, dilation in enumerate((2, 4, 8)):
        yield windowed(
            "CONV_2D", (1, 64), (8 + i, 24), (1, 3), same=bool(i % 2), dilations=(1, dilation)
        )
    for sizes, ins, outs in [
        *(((48, 48), 8, 16), ((24, 24), 16, 32), ((12, 12), 64, 64), ((6, 6), 128, 128)),
        *(((3, 3), 256, 256), ((25, 5), 64, 64), ((12, 12), 96, 24), ((8, 8), 24, 144)),
        *(((16, 16), 12, 5), ((5, 7), 20, 33), ((4, 4), 4, 3), ((28, 1), 32, 32)),
        *(((2, 2), 64, 17), ((32, 32), 4, 8), ((10, 10), 36, 10), ((3, 3), 512, 64)),
        *(((1, 1), 256, 2), ((1, 1), 16, 64), ((1, 1), 64, 16), ((1, 2), 40, 22)),
        *(((1, 1), 9, 31), ((24, 1), 40, 128)),
    ]:
        yield windowed("CONV_2D", sizes, (ins, outs), (1, 1))


def depthwise() -> Iterator[Layer]:
    for i, (sizes, channels, stride) in enumerate(
        [
            *(((48, 48), 8, 1), ((48, 48), 16, 2), ((24, 24), 32, 1), ((24, 24), 32, 2)),
            *(((12, 12), 64, 1), ((12, 12), 64, 2), ((6, 6), 128, 1), ((6, 6), 128, 2)),
            *(((3, 3), 256, 1), ((25, 5), 64, 1), ((13, 11), 23, 1), ((13, 11), 23, 2)),
            *(((7, 9), 10, 1), ((28, 28), 5, 2), ((16, 16), 24, 1), ((15, 15), 24, 2)),
            *(((5, 40), 12, 1), ((40, 5), 12, 2), ((4, 4), 96, 1), ((33, 33), 4, 2)),
        ]
    ):
        yield windowed(
            *("DEPTHWISE_CONV_2D", sizes, (channels, channels), (3, 3), (stride, stride)),
            same=i % 4 != 3,
        )
    wide: list[tuple[Shape, int, Shape, Shape]] = [
        ((25, 5), 64, (5, 3), (1, 1)),
        ((24, 24), 16, (5, 5), (1, 1)),
        ((24, 24), 16, (5, 5), (2, 2)),
        ((12, 12), 40, (7, 7), (1, 1)),
        ((16, 9), 9, (4, 3), (1, 2)),
        ((10, 10), 30, (2, 2), (2, 2)),
        ((32, 8), 8, (9, 2), (2, 1)),
        ((5, 3), 20, (3, 3), (1, 2)),
        ((14, 14), 24, (1, 5), (1, 1)),
        ((8, 3), 12, (4, 2), (1, 1)),
    ]
    for i, (sizes, channels, size, strides) in enumerate(wide):
        pair = (channels, channels)
        yield windowed("DEPTHWISE_CONV_2D", sizes, pair, size, strides, same=i % 3 != 2)
    lengths = [
        *((128, 16, 3, 1, 1), (64, 32, 5, 1, 1), (30, 40, 5, 1, 1), (28, 32, 9, 1, 1)),
        *((24, 32, 8, 1, 1), (100, 12, 10, 1, 1), (64, 24, 3, 1, 2), (64, 24, 3, 1, 4)),
        *((48, 10, 7, 1, 3), (128, 8, 5, 2, 1), (60, 20, 9, 2, 1), (17, 33, 6, 1, 1)),
        *((10, 64, 3, 1, 1), (200, 4, 4, 1, 1), (50, 16, 13, 1, 1), (31, 8, 10, 1, 2)),
        *((20, 128, 7, 1, 1), (16, 128, 5, 1, 1), (40, 9, 2, 1, 1), (75, 6, 6, 2, 1)),
    ]
    for i, (length, channels, taps, stride, dilation) in enumerate(lengths):
        turn = -1 if i % 3 == 0 else 1
        yield windowed(
            *("DEPTHWISE_CONV_2D", (1, length)[::turn], (channels, channels)),
            *((1, taps)[::turn], (stride, stride)),
            same=i % 2 == 0,
            dilations=(1, dilation)[::turn],
        )
    for sizes, channels, size in [
        *(((25, 5), 64, (25, 5)), ((3, 3), 256, (3, 3)), ((7, 7), 48, (7, 7))),
        *(((20, 1), 128, (20, 1)), ((14, 1), 40, (11, 1)), ((6, 6), 32, (5, 4))),
        *(((4, 4), 17, (4, 4)), ((12, 12), 24, (1, 1)), ((9, 9), 16, (8, 8))),
    ]:
        yield windowed("DEPTHWISE_CONV_2D", sizes, (channels, channels), size, same=False)
    for sizes, ins, times, size in [
        *(((16, 16), 1, 8, (3, 3)), ((25, 20), 1, 8, (10, 8)), ((12, 12), 4, 2, (3, 3))),
        *(((9, 9), 3, 5, (5, 5)), ((30, 1), 8, 3, (5, 1))),
    ]:
        yield windowed("DEPTHWISE_CONV_2D", sizes, (ins, ins * times), size)


def matrices() -> Iterator[Layer]:
    for i, (depth, units) in enumerate(
        [
            *((640, 128), (128, 128), (128, 8), (8, 128), (128, 640), (64, 10), (64, 12)),
            *((256, 2), (196, 64), (64, 32), (32, 6), (6, 32), (100, 33), (31, 17)),
            *((784, 20), (1000, 5), (16, 4), (50, 50), (9, 3), (400, 40)),
        ]
    ):
        yield dense(depth, units, per_channel=i % 3 == 2)
    for rows, depth, units in ((8, 16, 24), (20, 30, 7), (4, 64, 64), (12, 12, 12)):
        yield dense(depth, units, rows, per_channel=rows == 4)
    for left, right in (((4, 8, 16), (4, 16, 8)), ((12, 30), (30, 20)), ((2, 3, 40), (2, 40, 5))):
        out = (*left[:-1], right[-1])
        more = {"options": "BatchMatMul", "adjX": False, "version": 2}
        yield other("BATCH_MATMUL", [left, right], [out], scales=(0.05, 0.04, 0.4), **more)
    for sizes, channels, size, strides in [
        *(((16, 16), (16, 8), (2, 2), (2, 2)), ((12, 12), (8, 12), (3, 3), (2, 2))),
        *(((9, 7), (5, 3), (4, 4), (2, 2)), ((16, 16), (32, 16), (2, 2), (2, 2))),
        *(((1, 40), (6, 6), (1, 3), (1, 1)), ((32, 32), (16, 8), (2, 2), (2, 2))),
        *(((24, 24), (16, 12), (4, 4), (2, 2)), ((20, 14), (8, 5), (3, 3), (1, 1))),
        *(((18, 18), (32, 7), (5, 5), (3, 3)), ((10, 40), (4, 4), (2, 3), (1, 2))),
        *(((28, 28), (24, 16), (3, 3), (2, 2)), ((1, 64), (32, 16), (1, 4), (1, 2))),
        *(((8, 8), (64, 32), (4, 4), (2, 2)), ((14, 14), (12, 3), (2, 2), (2, 2))),
    ]:
        yield upsampled(sizes, channels, size, strides)


def reductions() -> Iterator[Layer]:
    pools: list[tuple[Shape, int, Shape, int]] = [
        *(((8, 8), 64, (8, 8), 1), ((3, 3), 256, (3, 3), 3), ((25, 5), 64, (25, 5), 1)),
        *(((16, 16), 16, (2, 2), 2), ((12, 12), 24, (3, 3), 2), ((9, 9), 7, (2, 2), 2)),
        *(((32, 32), 4, (4, 4), 4), ((10, 10), 5, (5, 5), 5), ((6, 6), 12, (3, 2), 1)),
    ]
    for operator in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for sizes, channels, size, stride in pools:
            yield pool(operator, sizes, channels, size, (stride, stride))
    shapes: list[tuple[Shape, Shape]] = [
        *(((1, 8, 8, 32), (1, 2)), ((1, 6, 6, 20), (1, 2)), ((1, 10, 40), (2,))),
        *(((1, 64, 24), (1,)), ((5, 4, 3, 7), (0, 2)), ((1, 3, 3, 100), (1, 2))),
    ]
    for operator, add in (("MEAN", other), ("REDUCE_MAX", alike)):
        for shape, axes in shapes:
            kept = tuple(n for i, n in enumerate(shape) if i not in axes)
            more = {"after": [axes], "options": "Reducer", "keepDims": False}
            yield add(operator, [shape], [kept], **more)
    for rows, size in ((1, 10), (1, 2), (1, 12), (1, 100), (20, 8), (4, 30), (1, 4), (6, 64)):
        more = {"options": "Softmax", "beta": 1.0}
        scales, points = (0.1, 0.1, 1 / 256), (3, 3, -128)
        shape = (rows, size)
        yield other("SOFTMAX", [shape], [shape], scales=scales, points=points, **more)


def elementwise() -> Iterator[Layer]:
    pairs: list[tuple[Shape, Shape]] = [
        *(((1, 32, 32, 16), (1, 32, 32, 16)), ((1, 16, 16, 32), (1, 16, 16, 32))),
        *(((1, 64), (1, 64)), ((1, 12, 12, 16), (1, 1, 1, 16)), ((1, 24, 24), (1, 24, 1))),
        *(((1, 10, 7), (1, 10, 7)), ((1, 200), (1, 1)), ((1, 6, 6, 32), (1, 1, 1, 32))),
    ]
    kinds: list[tuple[str, tuple[float, float, float], dict[str, Any]]] = [
        ("ADD", (0.05, 0.04, 0.1), {"options": "Add"}),
        ("ADD", (0.02, 0.07, 0.1), {"options": "Add"}),
        ("SUB", (0.05, 0.04, 0.1), {"options": "Sub"}),
        ("MUL", (0.05, 0.04, 0.1), {"options": "Mul"}),
        ("DIV", (0.05, 0.005, 0.1), {"options": "Div"}),
        ("MAXIMUM", (0.1, 0.1, 0.1), {"points": (4, 4, 4)}),
        ("SQUARED_DIFFERENCE", (0.05, 0.04, 0.1), {}),
        ("PRELU", (0.05, 0.04, 0.1), {}),
    ]
    for operator, scales, more in kinds:
        for a, b in pairs:
            yield other(operator, [a, b], [a], scales=scales, **more)
    counts = (30, 200, 1000, 6000)
    for shape in ((1, count) for count in counts):
        table = {"scales": (0.05, 0.05, 1 / 256), "points": (3, 3, -128)}
        yield other("LOGISTIC", [shape], [shape], **table)
    for shape in ((1, count) for count in counts):
        yield alike("RELU", [shape], [shape])


def movements() -> Iterator[Layer]:
    for shape, pads in (
        *(((1, 32, 32, 3), 1), ((1, 24, 24, 16), 1), ((1, 10, 10, 5), 2), ((1, 6, 6, 64), 1)),
    ):
        wide = (1, shape[1] + 2 * pads, shape[2] + 2 * pads, shape[3])
        amounts = ((0, 0), (pads, pads), (pads, pads), (0, 0))
        yield alike("PAD", [shape], [wide], after=[amounts])
    for shape, order in (
        *(((1, 16, 16, 8), (0, 3, 1, 2)), ((20, 30), (1, 0)), ((4, 6, 10), (1, 0, 2))),
        *(((1, 8, 8, 64), (0, 2, 1, 3)), ((5, 4, 3, 7), (3, 1, 0, 2))),
    ):
        yield alike("TRANSPOSE", [shape], [tuple(shape[p] for p in order)], after=[order])
    for shape in ((1, 64), (1, 500), (1, 12, 10, 16)):
        flat = (int(np.prod(shape)),)  # of anything but a variable it would be no operator
        yield alike("RESHAPE", [shape], [flat], after=[flat], variable=True)
    for rounds, sizes in ((64, (8, 8)), (256, (16, 32)), (1, (100, 60, 40)), (20, (3, 5, 7))):
        parts = [(rounds, n) for n in sizes]
        whole = (rounds, sum(sizes))
        yield alike("CONCATENATION", parts, [whole], options="Concatenation", axis=1)
    for rounds, size, parts_of in ((64, 8, 2), (1, 100, 4), (20, 5, 3), (100, 16, 2)):
        parts = [(rounds, size)] * parts_of
        yield alike("SPLIT", [(rounds, size * parts_of)], parts, before=[1])
    for shape, at in (((10, 16), (3, 1, 4, 1, 5)), ((4, 100), (0, 2)), ((30, 4), tuple(range(25)))):
        out = (len(at), shape[1])
        yield alike("GATHER", [shape], [out], after=[at], options="Gather", axis=0)
    for shape, factor in (((1, 8, 8, 16), 2), ((1, 10, 6, 3), 3), ((1, 16, 16, 4), 2)):
        out = (1, shape[1] * factor, shape[2] * factor, shape[3])
        more = {"options": "ResizeBilinear", "halfPixelCenters": True}
        yield alike("RESIZE_BILINEAR", [shape], [out], after=[out[1:3]], **more)
    for shape, size in (
        *(((1, 6, 6, 80), (12, 12)), ((1, 8, 8, 16), (16, 16)), ((1, 10, 6, 3), (30, 18))),
        *(((1, 16, 16, 4), (32, 32)), ((1, 12, 12, 1), (24, 24)), ((1, 16, 16, 8), (8, 8))),
        *(((1, 5, 5, 32), (8, 12)), ((1, 1, 40, 10), (1, 80)), ((1, 20, 20, 1), (20, 40))),
        *(((1, 7, 9, 2), (14, 27)), ((1, 4, 4, 64), (4, 4)), ((1, 30, 4, 5), (60, 8))),
    ):
        out = (1, *size, shape[3])
        more = {"options": "ResizeNearestNeighbor"}
        yield alike("RESIZE_NEAREST_NEIGHBOR", [shape], [out], after=[size], **more)


KINDS = (convolutions, depthwise, matrices, reductions, elementwise, movements)


def models() -> Iterator[bytes]:
    """Every layer among its kind, and once more without others of its kind; LSTMs alone."""
    kinds = [list(kind()) for kind in KINDS]
    layers = list(itertools.chain.from_iterable(kinds))
    rows = [
        *(layers[i : i + TOGETHER] for i in range(0, len(layers), TOGETHER)),
        *itertools.zip_longest(*kinds),
    ]
    for seed, row in enumerate(rows):
        b, draw = ModelBuilder(), np.random.default_rng(seed)
        borders = [add(b, draw) for add in row if add is not None]
        inputs, outputs = ([t for border in borders for t in border[i]] for i in (0, 1))
        yield b.finish(inputs, outputs)
    for steps, inputs, units in ((8, 12, 16), (4, 3, 5), (20, 8, 8), (10, 20, 32)):
        yield lstm(steps=steps, inputs=inputs, units=units)


def measured(model: bytes, board: Board, wanted: Collection[str]) -> Iterator[Row]:
    """Each layer of a model with each of its kernels that is wanted."""
    graph = run_passes(read_graph(model)).graph
    views = list(graph.views())
    own = [kernels_for(view) for view in views]
    for number in range(max(map(len, own))):
        kernels = [row[min(number, len(row) - 1)] for row in own]
        tried = {kernel.name for kernel, row in zip(kernels, own, strict=True) if number < len(row)}
        if tried.isdisjoint(wanted):
            continue
        choices = [
            Choice(KernelOption(kernel, kernel.lower(view), 0, 0, (), 0), ())
            for view, kernel in zip(views, kernels, strict=True)
        ]
        plan = plan_of(graph, choices, board.core)
        facts = facts_for(model, graph, plan, "net")
        found = measure(
            *(facts, model_files(facts, plan), board),
            flags=flags_of(board.core),
            events=sum(view.output_count for view in views),
        )
        events = iter(found.events)
        users = Counter(kernel.name for kernel in kernels)
        for view, kernel, row in zip(views, kernels, own, strict=True):
            spent = list(itertools.islice(events, view.output_count))
            cycles = [event.cycles for event in spent if event.cycles is not None]
            if len(cycles) < len(spent) and board.core.cycle_model is not None:
                raise SystemExit(found.cycles_missing)
            if number < len(row) and kernel.name in wanted:
                yield Row(
                    kernel=kernel.name,
                    alone=users[kernel.name] == 1,
                    work=kernel.work(view),
                    instructions=sum(event.instructions for event in spent),
                    cycles=sum(cycles) if len(cycles) == len(spent) else None,
                )


def non_negative(matrix: Any, target: Any) -> Any:
    """Least squares without negative coefficients (Lawson and Hanson, 1974)."""
    count = matrix.shape[1]
    found, free = np.zeros(count), np.zeros(count, bool)
    for _ in range(10 * count):
        gradient = matrix.T @ (target - matrix @ found)
        gradient[free] = -np.inf
        if gradient.max(initial=-np.inf) <= 1e-9:
            break
        free[int(gradient.argmax())] = True
        while True:
            trial = np.zeros(count)
            trial[free] = np.linalg.lstsq(matrix[:, free], target, rcond=None)[0]
            if (trial[free] > 0).all():
                break
            shrinks = free & (trial <= 0)
            step = (found[shrinks] / (found[shrinks] - trial[shrinks])).min()
            found = found + step * (trial - found)
            free &= found > 1e-12
        found = trial
    return found


def fit(own: Sequence[Row], unit: str) -> dict[str, float]:
    """What each piece of a kernel's work costs."""
    work = np.array([row.work for row in own], float)
    taken = np.array([getattr(row, unit) for row in own], float)[:, np.newaxis]
    relative = work / taken
    sizes = np.maximum(relative.max(0), 1e-30)  # so that all columns are alike
    costs = non_negative(relative / sizes, np.ones(len(own))) / sizes
    return {piece: float(f"{c:.4g}") for piece, c in zip(own[0].work._fields, costs, strict=True)}


def table(core: Core, rows: Sequence[Row], known: Mapping[str, Any]) -> str:
    """The file's text.

    Args:
        rows: of all layers that were measured.
        known: the file as it was, for the kernels that were not.
        core: that ran them.
    """
    kernels = {kernel.name for own in KERNELS.values() for kernel in own}
    fitted = {row.kernel for row in rows}
    lines = [
        f"# What each time costs that a piece of a kernel runs on a {core.title}; the pieces are",
        "# the fields of the kernel's work. First where several operators share the compiled code,",
        "# then alone, where the compiler adapts it.",
        f"# `make kernel-costs CORE={core.name}` measures and fits them again.",
        f'compiler = "{compiler_name(flags_of(core))}"',
    ]
    units = ("instructions", "cycles") if core.cycle_model is not None else ("instructions",)
    for title, unit in itertools.product(("several", "alone"), units):
        lines += ["", f"[{title}.{unit}]"]
        for name in sorted(kernels):
            costs = (
                fitted_costs([row for row in rows if row.kernel == name], title, unit)
                if name in fitted
                else known.get(title, {}).get(unit, {}).get(name)
            )
            if costs is None:
                raise SystemExit(f"no layer runs with {name}, and no costs of it are known")
            pieces = ", ".join(f"{piece} = {cost:.4g}" for piece, cost in costs.items())
            lines.append(f"{name} = {{ {pieces} }}")
    return "\n".join(lines) + "\n"


def fitted_costs(rows: Sequence[Row], title: str, unit: str) -> dict[str, float]:
    """The costs of one kernel, which are printed with the error of the fit."""
    own = [row for row in rows if row.alone == (title == "alone")]
    own = own if len(own) > len(rows[0].work) else list(rows)
    costs = fit(own, unit)
    errors = [cost_of(row.work, costs) / getattr(row, unit) - 1 for row in own]
    print(
        f"{rows[0].kernel:30} {title:8} {unit:12} {len(own):4} layers, error "
        f"{100 * np.abs(errors).mean():5.1f} % on average, "
        f"{100 * np.abs(errors).max():5.1f} % at most"
    )
    return costs


def main() -> None:
    """Measure, fit, write."""
    parser = argparse.ArgumentParser(description="Fit what kernels cost.")
    parser.add_argument("kernel", nargs="*", help="only these; the costs of others are not changed")
    every = {kernel.name for own in KERNELS.values() for kernel in own}
    parser.add_argument("--core", help="only this one, instead of every core that a board has")
    options = parser.parse_args()
    chosen = {b.core.name: b for b in boards() if options.core in (None, b.core.name)}
    if not chosen:
        raise SystemExit(f"no board has the core {options.core}")
    wanted = set(options.kernel) or every
    if unknown := wanted - every:
        raise SystemExit(f"no kernel is called {', '.join(sorted(unknown))}")
    for board in chosen.values():
        update(board, wanted)


def update(board: Board, wanted: Collection[str]) -> None:
    """Measure kernels on the core of a board, and write its table."""
    target = CORES / board.core.name / "costs.toml"
    known = tomllib.loads(target.read_text("utf-8")) if target.exists() else {}
    rows: list[Row] = []
    for model in models():
        rows += measured(model, board, wanted)
        print(".", end="", flush=True)
    print()
    if missing := set(wanted) - {row.kernel for row in rows}:
        raise SystemExit(f"no layer runs with {', '.join(sorted(missing))}")
    target.write_text(table(board.core, rows, known), "utf-8")
    print(f"wrote {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
