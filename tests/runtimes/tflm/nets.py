"""Models of one operator, most of which TensorFlow Lite Micro's Arduino flavour lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder


def convolution(*, groups: int = 1, bias: bool = True, version: int = 3) -> bytes:
    """CONV_2D "net/conv/BiasAdd" with 4 channels in and out."""
    b = ModelBuilder()
    x = b.tensor((1, 5, 5, 4), scale=0.5)
    y = b.tensor((1, 3, 3, 4), scale=0.5, name="net/conv/BiasAdd")
    inputs = [x, b.constant(np.ones((4, 3, 3, 4 // groups), np.int8), scale=[0.5] * 4)]
    if bias:
        inputs.append(b.constant(np.zeros(4, np.int32), scale=[0.25] * 4))
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 1, 1
    b.operator("CONV_2D", inputs, [y], options, version=version)
    return b.finish([x], [y])


def dense(*, channels: int) -> bytes:
    """FULLY_CONNECTED "net/dense/BiasAdd" with this many scales."""
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.5)
    y = b.tensor((1, 3), scale=0.5, name="net/dense/BiasAdd")
    scale: Any = [0.5] * 3 if channels > 1 else 0.5
    weights = b.constant(np.ones((3, 4), np.int8), scale=scale)
    b.operator("FULLY_CONNECTED", [x, weights], [y], schema.FullyConnectedOptionsT())
    return b.finish([x], [y])


def pooling(*, batch: int) -> bytes:
    b = ModelBuilder()
    x = b.tensor((batch, 4, 4, 2), scale=0.5)
    y = b.tensor((batch, 2, 2, 2), scale=0.5)
    options = schema.Pool2DOptionsT()
    options.padding, options.strideH, options.strideW = schema.Padding.VALID, 2, 2
    options.filterHeight, options.filterWidth = 2, 2
    b.operator("MAX_POOL_2D", [x], [y], options)
    return b.finish([x], [y])


def reduction(name: str) -> bytes:
    b = ModelBuilder()
    x = b.tensor((1, 4, 4, 2), scale=0.5)
    y = b.tensor((1, 2), scale=0.5, name="net/global/Mean")
    b.operator(name, [x, b.constant(np.array([1, 2], np.int32))], [y], schema.ReducerOptionsT())
    return b.finish([x], [y])


def addition(left: Sequence[int], right: Sequence[int]) -> bytes:
    b = ModelBuilder()
    shape = np.broadcast_shapes(tuple(left), tuple(right))
    x, y = b.tensor(left, scale=0.5), b.tensor(right, scale=0.5)
    z = b.tensor(shape, scale=0.5)
    b.operator("ADD", [x, y], [z], schema.AddOptionsT())
    return b.finish([x, y], [z])


def product() -> bytes:
    """BATCH_MATMUL."""
    b = ModelBuilder()
    x, y = b.tensor((1, 2, 3), scale=0.5), b.tensor((1, 3, 2), scale=0.5)
    z = b.tensor((1, 2, 2), scale=0.5, name="net/attention/MatMul")
    b.operator("BATCH_MATMUL", [x, y], [z], schema.BatchMatMulOptionsT(), version=2)
    return b.finish([x, y], [z])


def tiles() -> bytes:
    """TILE, which TensorFlow Lite Micro does not have."""
    b = ModelBuilder()
    x, y = b.tensor((1, 2), scale=0.5), b.tensor((1, 4), scale=0.5)
    b.operator("TILE", [x, b.constant(np.array([1, 2], np.int32))], [y])
    return b.finish([x], [y])
