"""Small int8 models for tests of whole exports. Random weights, the same for ever."""

from __future__ import annotations

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.tflite_builder import ModelBuilder

SAME, VALID = 0, 1
RELU = 1


def image_net() -> bytes:
    """Two convolutions, a pooling, a classifier: per-channel weights, every kind of table."""
    generator = np.random.default_rng(1)
    b = ModelBuilder()

    def weights(*shape: int) -> np.ndarray:
        return generator.integers(-127, 128, shape, np.int8)

    def bias(count: int) -> np.ndarray:
        return generator.integers(-500, 500, count, np.int32)

    image = b.tensor((1, 6, 6, 2), scale=1 / 255, zero_point=-128, name="image")
    first = b.tensor((1, 6, 6, 4), scale=0.02, zero_point=-128, name="net/conv/Relu")
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = SAME, 1, 1
    options.fusedActivationFunction = RELU
    scales = generator.uniform(0.005, 0.01, 4)
    b.operator(
        "CONV_2D",
        [image, b.constant(weights(4, 3, 3, 2), scale=scales), b.constant(bias(4), scale=scales)],
        [first],
        options,
    )
    second = b.tensor((1, 3, 3, 4), scale=0.03, zero_point=-5, name="net/depthwise/BiasAdd")
    options = schema.DepthwiseConv2DOptionsT()
    options.padding, options.strideH, options.strideW, options.depthMultiplier = SAME, 2, 2, 1
    scales = generator.uniform(0.005, 0.01, 4)
    b.operator(
        "DEPTHWISE_CONV_2D",
        [
            first,
            b.constant(weights(1, 3, 3, 4), scale=scales, axis=3),
            b.constant(bias(4), scale=scales),
        ],
        [second],
        options,
    )
    pooled = b.tensor((1, 1, 1, 4), scale=0.03, zero_point=-5, name="net/pool/AvgPool")
    options = schema.Pool2DOptionsT()
    options.padding, options.strideH, options.strideW = VALID, 3, 3
    options.filterHeight, options.filterWidth = 3, 3
    b.operator("AVERAGE_POOL_2D", [second], [pooled], options)
    flat = b.tensor((1, 4), scale=0.03, zero_point=-5, name="net/flatten/Reshape")
    b.operator("RESHAPE", [pooled, b.constant(np.array([1, 4], np.int32))], [flat])
    dense = b.tensor((1, 3), scale=0.02, zero_point=10, name="net/dense/BiasAdd")
    b.operator(
        "FULLY_CONNECTED",
        [flat, b.constant(weights(3, 4), scale=0.02), b.constant(bias(3), scale=0.02 * 0.03)],
        [dense],
        schema.FullyConnectedOptionsT(),
    )
    classes = b.tensor((1, 3), scale=1 / 256, zero_point=-128, name="net/softmax/Softmax")
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    b.operator("SOFTMAX", [dense], [classes], options)
    return b.finish([image], [classes])


def two_headed_net() -> bytes:
    """Two inputs, two outputs, names that would like to end a comment."""
    b = ModelBuilder()
    left = b.tensor((1, 6), scale=0.05, zero_point=3, name="left */ int x; /*")
    right = b.tensor((1, 6), scale=0.1, zero_point=-7, name="right\n#error ??/")
    total = b.tensor((1, 6), scale=0.12, zero_point=1, name="net/add/Add")
    b.operator("ADD", [left, right], [total], schema.AddOptionsT())
    gate = b.tensor((1, 6), scale=1 / 256, zero_point=-128, name="net/gate/Sigmoid")
    b.operator("LOGISTIC", [total], [gate])
    product = b.tensor((1, 6), scale=0.06, zero_point=0, name="net/gated/Mul")
    b.operator("MUL", [total, gate], [product], schema.MulOptionsT())
    return b.finish([left, right], [product, gate])


def recurrent_net() -> bytes:
    """An LSTM, whose state outlives an inference, and a classifier of its outputs."""
    generator = np.random.default_rng(2)
    b = ModelBuilder()
    x = b.tensor((1, 3, 2), scale=0.05, zero_point=-5, name="signal")
    numbers = [-1] * 24
    numbers[0] = x
    for gate in range(4):
        for first, depth in ((1, 2), (5, 3)):
            values = generator.integers(-127, 128, (3, depth), np.int8)
            numbers[first + gate] = b.constant(values, scale=0.01)
        values = generator.integers(-2000, 2000, 3, np.int32)
        numbers[12 + gate] = b.constant(values, scale=0.05 * 0.01)
    hidden = {"scale": 1 / 128, "zero_point": 9}
    numbers[18] = b.tensor((1, 3), variable=True, name="net/lstm/hidden", **hidden)
    numbers[19] = b.tensor(
        (1, 3), dtype="int16", scale=2.0**-11, variable=True, name="net/lstm/cell */"
    )
    sequence = b.tensor((1, 3, 3), name="net/lstm/sequence", **hidden)
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    options.cellClip = 10.0
    b.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", numbers, [sequence], options)
    flat = b.tensor((1, 9), name="net/flatten/Reshape", **hidden)
    b.operator("RESHAPE", [sequence, b.constant(np.array([1, 9], np.int32))], [flat])
    scores = b.tensor((1, 2), scale=0.02, zero_point=-3, name="net/dense/MatMul")
    weights = generator.integers(-127, 128, (2, 9), np.int8)
    b.operator(
        "FULLY_CONNECTED",
        [flat, b.constant(weights, scale=0.01)],
        [scores],
        schema.FullyConnectedOptionsT(),
    )
    return b.finish([x], [scores])
