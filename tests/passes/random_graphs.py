"""Random small models for the rewrites: dead channels, and every order of what passes them on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder

_SCALE = 0.1
_ZERO_POINTS = (-128, -128, -20, 5)
_MAX_ELEMENTS = 600
_DEAD = -2_000_000  # a bias from which no input leads back
_ACTIVATIONS = (0, 1, 1, 2, 3)  # none, RELU, RELU_N1_TO_1, RELU6
Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Tensor:
    index: int
    shape: Shape
    zero_point: int


def random_graph(seed: int) -> bytes:
    """A model of some operators; the same for the same seed.

    Tensors that no operator reads are its outputs, and some that are read.
    """
    return _Graph(np.random.default_rng(seed)).model()


class _Graph:
    """Operators appended to tensors that are there."""

    def __init__(self, draw: np.random.Generator) -> None:
        self._draw = draw
        self._b = ModelBuilder()
        self._read: set[int] = set()
        self._tensors: list[_Tensor] = []
        for _ in range(int(draw.choice([1, 1, 2]))):
            shape = (1, *self._some(1, 1, 2, 3, 4, 5, size=2), self._one(1, 2, 3, 4, 8))
            self._tensors.append(self._new(shape, int(draw.integers(-128, 128))))
        self._inputs = list(self._tensors)

    def model(self) -> bytes:
        for _ in range(int(self._draw.integers(3, 11))):
            # Often the newest tensor, so that chains are long; else an older one, once more.
            recent = self._draw.random() < 0.75
            tensor = self._tensors[-1] if recent else self._tensors[self._below(len(self._tensors))]
            while not self._one(*_STEPS)(self, tensor):
                pass
        made = self._tensors[len(self._inputs) :]
        outputs = [t for t in made if t.index not in self._read or self._draw.random() < 0.08]
        return self._b.finish([t.index for t in self._inputs], [t.index for t in outputs])

    def _one(self, *values: Any) -> Any:
        return values[self._below(len(values))]

    def _some(self, *values: Any, size: int) -> list[Any]:
        return [self._one(*values) for _ in range(size)]

    def _below(self, count: int) -> int:
        return int(self._draw.integers(count))

    def _new(self, shape: Shape, zero_point: int) -> _Tensor:
        index = self._b.tensor(shape, scale=_SCALE, zero_point=zero_point)
        return _Tensor(index, tuple(shape), zero_point)

    def _add(
        self,
        name: str,
        inputs: list[int],
        shapes: list[Shape],
        zero_point: int,
        options: Any = None,
    ) -> bool:
        """An operator with new outputs; False if these were too large to go on with."""
        if any(math.prod(shape) > _MAX_ELEMENTS for shape in shapes):
            return False
        outputs = [self._new(shape, zero_point) for shape in shapes]
        self._b.operator(name, inputs, [t.index for t in outputs], options)
        self._read.update(inputs)
        self._tensors += outputs
        return True

    def _integers(self, *values: Any) -> int:
        return self._b.constant(np.array(values, np.int32))

    def _weights(self, shape: Shape, axis: int) -> list[int]:
        """Weights and, mostly, a bias; the output of some filters is always the same."""
        channels, draw = shape[axis], self._draw
        depth = math.prod(shape) // channels
        own = draw.uniform(0.5, 1.5, channels if draw.random() < 0.7 else 1)
        own *= self._one(1, 1, 9) / (90 * np.sqrt(depth))
        weights = draw.integers(-127, 128, shape, np.int8)
        bias = draw.integers(-2000, 2000, channels)
        if draw.random() < 0.8:
            dead = draw.random(channels) < draw.random()
            kind = self._one("low", "low", "high", "zero")
            if kind == "zero":  # whatever the bias makes of it
                sizes = [channels if i == axis else 1 for i in range(len(shape))]
                weights = np.where(dead.reshape(sizes), 0, weights)
            else:
                bias = np.where(dead, _DEAD if kind == "low" else -_DEAD, bias)
        made = [self._b.constant(weights.astype(np.int8), scale=own, axis=axis * (len(own) > 1))]
        if draw.random() < 0.8:
            made.append(self._b.constant(bias.astype(np.int32), scale=own * _SCALE))
        return made

    def convolution(self, x: _Tensor) -> bool:
        if len(x.shape) != 4:
            return False
        depthwise = self._draw.random() < 0.35
        channels = x.shape[3] * self._one(1, 1, 2) if depthwise else self._one(1, 3, 4, 5, 8, 8, 12)
        window = self._some(1, 1, 2, 3, size=2)
        options: Any = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        shape = self._windows(x, options, window)
        if shape is None:
            return False
        if depthwise:
            options.depthMultiplier = channels // x.shape[3]
        form = (1, *window, channels) if depthwise else (channels, *window, x.shape[3])
        inputs = [x.index, *self._weights(form, 3 if depthwise else 0)]
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        options.fusedActivationFunction = self._one(*_ACTIVATIONS)
        return self._add(name, inputs, [(*shape, channels)], self._one(*_ZERO_POINTS), options)

    def _windows(self, x: _Tensor, options: Any, window: list[int]) -> Shape | None:
        """Batch, height and width of what comes out, None where nothing does."""
        options.strideH, options.strideW = self._some(1, 1, 1, 2, size=2)
        options.padding = self._one(0, 1)
        strides = (options.strideH, options.strideW)
        sizes = zip(x.shape[1:3], window, strides, strict=True)
        if options.padding == 0:
            return (x.shape[0], *(-(-size // stride) for size, _, stride in sizes))
        out = [(size - reach) // stride + 1 for size, reach, stride in sizes]
        return (x.shape[0], *out) if min(out) > 0 else None

    def pooling(self, x: _Tensor) -> bool:
        if len(x.shape) != 4:
            return False
        options = schema.Pool2DOptionsT()
        window = self._some(1, 2, 2, 3, size=2)
        options.filterHeight, options.filterWidth = window
        shape = self._windows(x, options, window)
        options.fusedActivationFunction = self._one(*_ACTIVATIONS)
        name = self._one("MAX_POOL_2D", "AVERAGE_POOL_2D")
        return shape is not None and self._add(
            name, [x.index], [(*shape, x.shape[3])], x.zero_point, options
        )

    def dense(self, x: _Tensor) -> bool:
        """Over the last axis, or over several of the last ones at once."""
        split = len(x.shape) - 1
        if self._draw.random() < 0.4:
            split = self._below(len(x.shape))
        depth = math.prod(x.shape[split:])
        units = self._one(1, 3, 4, 8, 8, 12)
        rows = (
            x.shape[:split]
            if split and self._draw.random() < 0.5
            else (math.prod(x.shape[:split]),)
        )
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = self._one(*_ACTIVATIONS)
        inputs = [x.index, *self._weights((units, depth), 0)]
        zero_point = self._one(*_ZERO_POINTS)
        return self._add("FULLY_CONNECTED", inputs, [(*rows, units)], zero_point, options)

    def reshape(self, x: _Tensor) -> bool:
        shape: list[int] = []
        left = x.shape
        while left:  # neighbours grow together, one is cut, ones come in between
            take = 1 + self._below(len(left))
            size, left = math.prod(left[:take]), left[take:]
            factor = self._one(*(n for n in range(1, size + 1) if size % n == 0))
            shape += [size] if self._draw.random() < 0.6 else [factor, size // factor]
        if self._draw.random() < 0.3:
            shape.insert(self._below(len(shape) + 1), 1)
        if self._draw.random() < 0.3:
            shape = [1, math.prod(x.shape)]
        elif self._draw.random() < 0.4:  # what a convolution can read
            shape = [1] * max(0, 4 - len(shape)) + shape
        if len(shape) > 5:
            return False
        return self._add("RESHAPE", [x.index, self._integers(*shape)], [tuple(shape)], x.zero_point)

    def transpose(self, x: _Tensor) -> bool:
        if len(x.shape) > 4:
            return False
        order = self._draw.permutation(len(x.shape))
        shape = tuple(x.shape[i] for i in order)
        return self._add("TRANSPOSE", [x.index, self._integers(*order)], [shape], x.zero_point)

    def axis_of_one(self, x: _Tensor) -> bool:
        """One more, or one less."""
        if 1 in x.shape and len(x.shape) > 2 and self._draw.random() < 0.5:
            axis = x.shape.index(1)
            options = schema.SqueezeOptionsT()
            options.squeezeDims = [axis]
            shape = (*x.shape[:axis], *x.shape[axis + 1 :])
            return self._add("SQUEEZE", [x.index], [shape], x.zero_point, options)
        if len(x.shape) > 3:
            return False
        axis = self._below(len(x.shape) + 1)
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        return self._add("EXPAND_DIMS", [x.index, self._integers(axis)], [shape], x.zero_point)

    def concatenation(self, x: _Tensor) -> bool:
        axis = self._below(len(x.shape))
        same = [
            t
            for t in self._tensors
            if (len(t.shape), t.zero_point) == (len(x.shape), x.zero_point)
            and all(
                i == axis or a == b for i, (a, b) in enumerate(zip(t.shape, x.shape, strict=True))
            )
        ]
        parts = [x, *self._some(*same, size=self._below(3))]
        shape = list(x.shape)
        shape[axis] = sum(t.shape[axis] for t in parts)
        options = schema.ConcatenationOptionsT()
        options.axis = axis
        inputs = [t.index for t in parts]
        return self._add("CONCATENATION", inputs, [tuple(shape)], x.zero_point, options)

    def cut(self, x: _Tensor) -> bool:
        axis = self._below(len(x.shape))
        size = x.shape[axis]
        count = self._one(*(n for n in range(1, size + 1) if size % n == 0))

        def part(length: int) -> Shape:
            return (*x.shape[:axis], length, *x.shape[axis + 1 :])

        if self._draw.random() < 0.4:
            options = schema.SplitOptionsT()
            options.numSplits = count
            inputs = [self._integers(axis), x.index]
            return self._add("SPLIT", inputs, [part(size // count)] * count, x.zero_point, options)
        begin, length = [0] * len(x.shape), list(x.shape)
        begin[axis] = self._below(size)
        length[axis] = 1 + self._below(size - begin[axis])
        if self._draw.random() < 0.5:
            inputs = [x.index, self._integers(*begin), self._integers(*length)]
            return self._add("SLICE", inputs, [tuple(length)], x.zero_point)
        ends = [a + n for a, n in zip(begin, length, strict=True)]
        inputs = [x.index, *(self._integers(*n) for n in (begin, ends, [1] * len(begin)))]
        options = schema.StridedSliceOptionsT()
        return self._add("STRIDED_SLICE", inputs, [tuple(length)], x.zero_point, options)

    def pad(self, x: _Tensor) -> bool:
        if len(x.shape) != 4:
            return False
        amounts = np.zeros((4, 2), np.int32)
        amounts[1:3] = self._draw.integers(0, self._one(1, 2, 2, 5), (2, 2))
        if self._draw.random() < 0.2:
            amounts[self._one(0, 3)] = self._draw.integers(0, 2, 2)
        shape = tuple(int(n) for n in np.array(x.shape) + amounts.sum(1))
        inputs = [x.index, self._b.constant(amounts)]
        if self._draw.random() < 0.5:
            value = np.array(self._one(-128, -128, x.zero_point, 9), np.int8)
            inputs.append(self._b.constant(value, scale=_SCALE, zero_point=x.zero_point))
        name = "PADV2" if len(inputs) == 3 else "PAD"
        return self._add(name, inputs, [shape], x.zero_point) and self._maybe_a_window()

    def _maybe_a_window(self) -> bool:
        step = self._one(_Graph.convolution, _Graph.pooling, None)
        return step is None or step(self, self._tensors[-1]) or True

    def arithmetic(self, x: _Tensor) -> bool:
        """With another tensor, or with a constant that is spread over some axes."""
        if len(x.shape) > 4:
            return False
        name = self._one("ADD", "MUL", "SUB")
        options = getattr(schema, f"{name.capitalize()}OptionsT")()
        options.fusedActivationFunction = self._one(*_ACTIVATIONS)
        same = [t for t in self._tensors if t.shape == x.shape]
        if self._draw.random() < 0.5:
            other = self._one(*same).index
        else:
            shape = [self._one(1, n) for n in x.shape]
            values = self._draw.integers(-128, 128, shape, np.int8)
            other = self._b.constant(values, scale=_SCALE, zero_point=self._one(0, 7))
        inputs = [x.index, other] if self._draw.random() < 0.7 else [other, x.index]
        return self._add(name, inputs, [x.shape], self._one(*_ZERO_POINTS), options)

    def clamp(self, x: _Tensor) -> bool:
        name = self._one("RELU", "RELU6", "MAXIMUM", "MINIMUM")
        inputs = [x.index]
        if name.endswith("IMUM"):
            value = np.array([self._one(x.zero_point, -100, 60)], np.int8)
            inputs.append(self._b.constant(value, scale=_SCALE, zero_point=x.zero_point))
        return self._add(name, inputs, [x.shape], x.zero_point)

    def requantise(self, x: _Tensor) -> bool:
        zero_point = self._one(x.zero_point, 0)
        return self._add("QUANTIZE", [x.index], [x.shape], zero_point, schema.QuantizeOptionsT())

    def of_constants(self, x: _Tensor) -> bool:
        """An operator that can be computed now, and a reader of it."""
        if len(x.shape) > 4:
            return False
        values = self._draw.integers(-128, 128, (x.shape[-1],), np.int8)
        constant = self._b.constant(values, scale=_SCALE, zero_point=3)
        folded = self._b.tensor((x.shape[-1],), scale=_SCALE, zero_point=3)
        self._b.operator("RELU", [constant], [folded])
        return self._add("ADD", [x.index, folded], [x.shape], 0, schema.AddOptionsT())


_STEPS: tuple[Callable[[_Graph, _Tensor], bool], ...] = (
    *[_Graph.convolution] * 8,
    *[_Graph.dense] * 5,
    *[_Graph.pooling] * 4,
    *[_Graph.reshape] * 5,
    *[_Graph.pad] * 2,
    *[_Graph.transpose] * 2,
    *[_Graph.clamp] * 2,
    _Graph.axis_of_one,
    _Graph.concatenation,
    _Graph.cut,
    _Graph.arithmetic,
    _Graph.requantise,
    _Graph.of_constants,
)
