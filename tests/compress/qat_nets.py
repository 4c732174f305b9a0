"""Small nets and what the tests of quantisation-aware training share."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from tflm_ext.convert import trace, worker
from tflm_ext.frontend import read_graph
from tflm_ext.ir import Graph

IMAGE, SEQUENCE, VECTOR = (8, 8, 3), (12, 4), (10,)


def sequence(shape: tuple[int, ...], *parts: Any) -> Any:
    x = y = keras.Input(shape)
    for part in parts:
        y = part(y)
    return keras.Model(x, y)


def conv(filters: int = 6, size: Any = 3, **options: Any) -> Any:
    return layers.Conv2D(filters, size, **{"padding": "same", **options})


def conv1d(filters: int = 6, **options: Any) -> Any:
    return layers.Conv1D(filters, 3, **{"padding": "same", **options})


def head() -> tuple[Any, ...]:
    return layers.Flatten(), layers.Dense(3, activation="softmax")


def plain() -> Any:
    return sequence(IMAGE, conv(activation="relu"), layers.MaxPooling2D(), conv(4), *head())


def normalised() -> Any:
    return sequence(
        IMAGE,
        conv(use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(6.0),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(5, 3, strides=2, use_bias=False),
        layers.BatchNormalization(scale=False),
        layers.Activation("hard_silu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(6),
        layers.BatchNormalization(center=False),
        layers.Dense(3, activation="softmax"),
    )


def separable() -> Any:
    return sequence(
        IMAGE,
        layers.SeparableConv2D(6, 3, padding="same", activation="relu", depth_multiplier=2),
        layers.SeparableConv2D(5, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.LeakyReLU(0.1),
        layers.AveragePooling2D(2),
        *head(),
    )


def residual() -> Any:
    x = keras.Input(IMAGE)
    y = conv(6, strides=2, activation="relu")(x)
    z = layers.BatchNormalization()(conv(6)(y))
    y = layers.ReLU()(layers.Add()([y, z]))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    gate = layers.Dense(6, activation="sigmoid")(gate)
    y = layers.Multiply()([y, gate])
    y = layers.Add()([y, z, conv(6, 1)(y)])
    return keras.Model(x, layers.Dense(3)(layers.GlobalMaxPooling2D()(y)))


def concatenating() -> Any:
    """A net with a dense block: the concatenations chain, and all share one scale."""
    x = keras.Input(IMAGE)
    y = layers.ZeroPadding2D(1)(x)
    y = conv(4, padding="valid", activation="relu")(y)
    for _ in range(2):
        y = layers.Concatenate()([y, conv(3, activation="relu")(y)])
    y = layers.Cropping2D(1)(layers.UpSampling2D(interpolation="bilinear")(y))
    return keras.Model(x, layers.Dense(3, activation="tanh")(layers.Flatten()(y)))


def temporal() -> Any:
    return sequence(
        SEQUENCE,
        layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
        conv1d(strides=2, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.SeparableConv1D(4, 3, padding="same"),
        layers.DepthwiseConv1D(3, padding="same", strides=2, activation="silu"),
        layers.Conv1DTranspose(4, 3, strides=2),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3, activation="sigmoid"),
    )


def nested() -> Any:
    """A Sequential in a Functional, called twice, and two inputs."""
    a, b = keras.Input(IMAGE, name="a"), keras.Input((5,), name="b")
    tower = keras.Sequential(
        [keras.Input(IMAGE), conv(4, activation="relu"), layers.Dropout(0.2), layers.Flatten()],
        name="tower",
    )
    y = layers.Concatenate()([tower(a), layers.Dense(4, activation="relu")(b)])
    y = y + layers.Dense(260)(tower(a * 0.5))
    first = layers.Dense(2, activation="softmax", name="first")(y)
    return keras.Model({"a": a, "b": b}, {"first": first, "second": layers.Dense(1)(y)})


def normalising() -> Any:
    """Normalisations that no layer takes in."""
    return sequence(
        IMAGE,
        layers.Rescaling(2.0, offset=-1.0),
        conv(activation="relu"),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        conv(4, activation="hard_sigmoid"),
        layers.PReLU(shared_axes=(1, 2)),
        *head(),
    )


def of_operations() -> Any:
    ops = keras.ops
    x = keras.Input(VECTOR)
    y = layers.Dense(12)(x)
    y = ops.relu(ops.reshape(y, (-1, 3, 4)))
    y = ops.maximum(y, ops.transpose(ops.reshape(layers.Dense(12)(x), (-1, 4, 3)), (0, 2, 1)))
    a, b = ops.split(y, 2, axis=-1)
    y = ops.concatenate([ops.abs(a - b), a * b], axis=-1)
    y = ops.sigmoid(ops.mean(y[:, 1:], axis=1))
    return keras.Model(x, layers.Dense(3)(y))


NETS: dict[str, Callable[[], Any]] = {
    f.__name__: f
    for f in (
        normalised,
        separable,
        residual,
        concatenating,
        temporal,
        nested,
        normalising,
        of_operations,
    )
}


def samples(model: Any, count: int, seed: int = 0) -> Any:
    """Inputs like the model's, an array, or a dict for a model of several."""
    rng = np.random.default_rng(seed)

    def array(tensor: Any) -> Any:
        return rng.standard_normal((count, *tensor.shape[1:])).astype(np.float32)

    return keras.tree.map_structure(array, model.input)


def shake(model: Any, seed: int = 0) -> Any:
    """Leave no weight at its neutral value: gamma of both signs, statistics of any size."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name = weight.path.split("/")[-1]
        if name in {"gamma", "beta", "bias", "moving_mean", "moving_variance", "alpha"}:
            value = rng.uniform(0.5, 1.5, weight.shape)
            sign = 1 if name == "moving_variance" else rng.choice([-1, 1], weight.shape)
            weight.assign(value * sign)
    return model


def train(model: Any, steps: int = 3, **options: Any) -> Any:
    """Some steps of regression towards zero on random samples."""
    model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False, **options)
    count = 16 * steps
    y = keras.tree.map_structure(
        lambda tensor: np.zeros((count, *tensor.shape[1:]), np.float32), model.output
    )
    model.fit(samples(model, count), y, batch_size=16, verbose=0)
    return model


def tflite(model: Any) -> bytes:
    """The model as convert() gives it, without the child process."""
    with tempfile.TemporaryDirectory() as folder:
        trace.trace(model, Path(folder, "model"))
        converter = worker.Converter()
        about = converter.open(Path(folder, "model"))
        assert about["quantisation_aware"]
        return converter._convert(None, lambda text: None)


def graph_of(data: bytes) -> Graph:
    return read_graph(data, "net")


def operators(graph: Graph) -> Counter[str]:
    return Counter(node.operator for node in graph.nodes)
