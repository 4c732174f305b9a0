"""Models of one operator with weights, whose sums and requantisations reach their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.ops.pairwise import Case
from tests.tflite_builder import ModelBuilder

Draw = np.random.Generator
Array = np.ndarray[Any, Any]

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33)
POINTS = (-128, None, 127)
"""Zero points; None is a random one."""

ACTIVATIONS = (0, 1, 2, 3)
_RIGHT = ("usual", "quarter", "smallest", "power", "below power")
_OTHERS = ("half", "left", "largest")

RIGHT = (*_RIGHT, "mixed right")
"""Requantisations that shift right: by about 8, by 1, by 31; with a multiplier of 2**30, or with
the closest one to 2**31 that a float32 scale gives; and a different one of these per filter."""

REQUANTISATIONS = (*_RIGHT, *_OTHERS, "mixed")
"""In addition: no shift, a left shift by a few bits, and by as many bits as the checks accept; and
a different one of all these for each filter."""

_STEEP = ("quarter", *_OTHERS)

LOW_SUMS = ("usual", "no bias", "23 bits")
"""In the first two, weights are random, and small if the requantisation requires it. In the others,
all are 127 or -127, and the bias reaches the tiles' limit of 2**23, including the zero point."""

SUMS = (*LOW_SUMS, "31 bits")
"""The same, and the largest bias that the checks accept, with a filter of -128."""

# Scale of all inputs and outputs: a power of two, so that the ratio of scales equals the weights'
# scale, for which RELU6 and RELU_N1_TO_1 leave 48 and 16 steps of the output.
_STEP = 0.125

_LIMIT = 2**31 - 129  # of sums, after a left shift
_TILE_BIAS = 2**23 - 1


def point(draw: Draw, value: int | None) -> int:
    """A zero point."""
    return int(draw.integers(-127, 127)) if value is None else value


@dataclass(frozen=True)
class _Filters:
    """Weights (filters, weights), bias (filters,) or None, and one scale or one per filter."""

    weights: Array
    bias: Array | None
    scales: Array

    def constants(self, b: ModelBuilder, weights: Array, axis: int = 0) -> list[int]:
        """Add tensors for these weights, in the operator's shape, and for the bias."""
        numbers = [b.constant(weights, scale=self.scales, axis=axis)]
        if self.bias is not None:
            numbers.append(b.constant(self.bias, scale=self.scales * np.float32(_STEP)))
        return numbers


def _filters(
    draw: Draw, case: Case, count: int, size: int, in_point: int, per_channel: bool = True
) -> _Filters:
    """Filters with the case's `sums` and `requantisation` that the checks accept."""
    sums_kind = case["sums"]
    mixed = {"mixed": (*_RIGHT, *_OTHERS), "mixed right": _RIGHT}
    kinds = [case["requantisation"]] * count
    if kinds[0] in mixed:
        # A single scale cannot be mixed.
        kinds = list(draw.choice(mixed[kinds[0]], count)) if per_channel else ["usual"] * count
    if sums_kind in ("usual", "no bias"):
        weights = draw.integers(-127, 128, (count, size), np.int8)
        weights[[kind in _STEEP for kind in kinds]] = 0
        for filter_number in np.flatnonzero([kind in _STEEP for kind in kinds]):
            # Otherwise all outputs would be saturated.
            weights[filter_number, draw.integers(size, size=2)] = draw.choice([-1, 1], 2)
        if draw.random() < 0.2:
            weights[int(draw.integers(count))] = 0  # a dead channel
    else:
        signs = draw.choice([-1, 1], (count, 1)).repeat(size, 1)
        signs[1::3] = draw.choice([-1, 1], (len(signs[1::3]), size))
        weights = (127 * signs).astype(np.int8)
        if sums_kind == "31 bits":
            weights[int(draw.integers(count))] = -128
    wide = weights.astype(np.int64)
    # At most 255 steps between input and zero point.
    most = 256 * np.abs(wide).sum(1)
    room = np.minimum(np.log2(_LIMIT / np.maximum(most, 1)).astype(int), 30)
    if not per_channel:
        room[:] = room.min()
    shifts = np.array(
        [
            {"left": min(int(draw.integers(1, 6)), r), "largest": r}.get(kind, 0)
            for kind, r in zip(kinds, room, strict=True)
        ]
    )
    if not per_channel:
        shifts[:] = shifts[0]
    limit = (_LIMIT >> shifts) - most
    if sums_kind == "31 bits":
        bias = limit * draw.choice([-1, 1], count)
    elif sums_kind == "23 bits":
        bias = _TILE_BIAS * draw.choice([-1, 1], count) + in_point * wide.sum(1)
    else:
        bias = draw.integers(-3000, 3000, count)
        bias[[kind in _STEEP for kind in kinds]] //= 30
    bias = np.clip(bias, -limit, limit)
    if sums_kind == "no bias":
        bias[:] = 0
    typical = np.abs(bias) + (
        75 * np.sqrt((wide**2).sum(1)) if sums_kind in ("usual", "no bias") else most / 2
    )
    if not per_channel:
        kinds, shifts, typical = kinds[:1], shifts[:1], typical[:1]
    ratios = [
        _ratio(draw, kind, int(shift), max(float(usual), 1.0))
        for kind, shift, usual in zip(kinds, shifts, typical, strict=True)
    ]
    return _Filters(
        weights,
        None if sums_kind == "no bias" else bias.astype(np.int32),
        np.array(ratios, np.float32),
    )


def _ratio(draw: Draw, kind: str, shift: int, typical: float) -> float:
    """A ratio of scales; `shift` applies to kinds that shift left."""
    fraction = draw.uniform(0.5, 0.99)  # from a half to 1: the multiplier over 2**31
    usual = -max(int(np.log2(typical / 64)), 1)
    exact = {"power": 2.0 ** (usual - 1), "below power": 2.0**usual * (1 - 2.0**-24)}
    if kind in exact:
        return float(exact[kind])
    shifts = {"usual": usual, "quarter": -1, "half": 0, "smallest": -31}
    return float(fraction * 2.0 ** shifts.get(kind, shift))


@dataclass(frozen=True)
class Axis:
    """An axis of an image: its size, the padding on both sides, the size of the output."""

    size: int
    before: int
    behind: int
    out: int


def axis(draw: Draw, window: int, stride: int, dilation: int, padding: str, most: int) -> Axis:
    """An axis with at least one output, of one to three for VALID."""
    extent = (window - 1) * dilation + 1
    if padding == "same":
        size = int(draw.integers(1, most + 1))
        return Axis(size, 0, 0, -(-size // stride))
    if padding == "valid":
        out = int(draw.integers(1, 4))
        return Axis(extent + stride * (out - 1) + int(draw.integers(stride)), 0, 0, out)
    before, behind = int(draw.integers(1, 4)), int(draw.integers(0, 4))
    size = max(1, extent - before - behind + int(draw.integers(4)))
    return Axis(size, before, behind, (size + before + behind - extent) // stride + 1)


def _image(
    b: ModelBuilder, draw: Draw, case: Case, channels: int, most: int = 6
) -> tuple[int, int, tuple[int, int], int]:
    """Input of the model, input of the operator, height and width of the output, zero point."""
    axes = [
        axis(
            draw,
            case[f"{name}_window"],
            case[f"{name}_stride"],
            case[f"{name}_dilation"],
            case["padding"],
            most,
        )
        for name in ("row", "column")
    ]
    zero_point = point(draw, case["in_point"])
    shape = (case["batches"], axes[0].size, axes[1].size, channels)
    x = read = b.tensor(shape, scale=_STEP, zero_point=zero_point)
    if case["padding"] == "border":
        borders = np.array([(0, 0), *((a.before, a.behind) for a in axes), (0, 0)])
        padded = tuple(int(n) for n in np.array(shape) + borders.sum(1))
        read = b.tensor(padded, scale=_STEP, zero_point=zero_point)
        b.operator("PAD", [x, b.constant(borders.astype(np.int32))], [read])
    return x, read, (axes[0].out, axes[1].out), zero_point


def _set_window(options: Any, case: Case) -> None:
    options.padding = 0 if case["padding"] == "same" else 1
    options.strideH, options.strideW = case["row_stride"], case["column_stride"]
    options.dilationHFactor = case["row_dilation"]
    options.dilationWFactor = case["column_dilation"]
    options.fusedActivationFunction = case["activation"]


def convolution(case: Case, draw: Draw) -> bytes:
    """A convolution; `channels` and `outputs` are per group."""
    channels, outputs, groups = case["channels"], case["outputs"], case["groups"]
    window = (case["row_window"], case["column_window"])
    b = ModelBuilder()
    most = 6 if channels * outputs < 100 else 4
    x, read, sizes, in_point = _image(b, draw, case, groups * channels, most)
    filters = _filters(draw, case, groups * outputs, int(np.prod(window)) * channels, in_point)
    weights = filters.weights.reshape(-1, *window, channels)
    y = b.tensor(
        (case["batches"], *sizes, groups * outputs),
        scale=_STEP,
        zero_point=point(draw, case["out_point"]),
    )
    options = schema.Conv2DOptionsT()
    _set_window(options, case)
    b.operator("CONV_2D", [read, *filters.constants(b, weights)], [y], options)
    return b.finish([x], [y])


def depthwise(case: Case, draw: Draw) -> bytes:
    channels, multiplier = case["channels"], case["multiplier"]
    window = (case["row_window"], case["column_window"])
    b = ModelBuilder()
    x, read, sizes, in_point = _image(b, draw, case, channels, 9)
    filters = _filters(draw, case, channels * multiplier, int(np.prod(window)), in_point)
    weights = filters.weights.T.reshape(1, *window, channels * multiplier)
    y = b.tensor(
        (case["batches"], *sizes, channels * multiplier),
        scale=_STEP,
        zero_point=point(draw, case["out_point"]),
    )
    options = schema.DepthwiseConv2DOptionsT()
    _set_window(options, case)
    options.depthMultiplier = multiplier
    inputs = [read, *filters.constants(b, np.ascontiguousarray(weights), 3)]
    b.operator("DEPTHWISE_CONV_2D", inputs, [y], options)
    return b.finish([x], [y])


def dense(case: Case, draw: Draw) -> bytes:
    depth, outputs, rows = case["depth"], case["outputs"], case["rows"]
    b = ModelBuilder()
    in_point = point(draw, case["in_point"])
    filters = _filters(draw, case, outputs, depth, in_point, case["per_channel"])
    x = b.tensor((rows, depth), scale=_STEP, zero_point=in_point)
    y = b.tensor((rows, outputs), scale=_STEP, zero_point=point(draw, case["out_point"]))
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = case["activation"]
    b.operator("FULLY_CONNECTED", [x, *filters.constants(b, filters.weights)], [y], options)
    return b.finish([x], [y])


def transposed(case: Case, draw: Draw) -> bytes:
    channels, outputs = case["channels"], case["outputs"]
    window = (case["row_window"], case["column_window"])
    strides = (case["row_stride"], case["column_stride"])
    same = case["padding"] == "same"
    # Axes of the convolution that it transposes: from the output to the input.
    axes = [axis(draw, k, s, 1, case["padding"], 6) for k, s in zip(window, strides, strict=True)]
    b = ModelBuilder()
    in_point = point(draw, case["in_point"])
    x = b.tensor(
        (case["batches"], axes[0].out, axes[1].out, channels), scale=_STEP, zero_point=in_point
    )
    filters = _filters(draw, case, outputs, int(np.prod(window)) * channels, in_point)
    weights, *bias = filters.constants(b, filters.weights.reshape(-1, *window, channels))
    shape = (case["batches"], axes[0].size, axes[1].size, outputs)
    y = b.tensor(shape, scale=_STEP, zero_point=point(draw, case["out_point"]))
    options = schema.TransposeConvOptionsT()
    options.padding = 0 if same else 1
    options.strideH, options.strideW = strides
    options.fusedActivationFunction = case["activation"]
    inputs = [b.constant(np.array(shape, np.int32)), weights, x, *bias]
    b.operator("TRANSPOSE_CONV", inputs, [y], options, version=4)
    return b.finish([x], [y])
