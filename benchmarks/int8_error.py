"""How far int8 outputs are from float ones, and what that costs: `make bench-accuracy`.

    python -m benchmarks.int8_error [NAME ...]

Small nets of different kinds, trained with fixed seeds on scikit-learn's data and on synthetic
signals, each quantised with up to 400 calibration samples. For each, the table has the error on 100
of these samples, which export() computes without test data, and what the int8 model loses on test
data. It is the table of docs/explanation/int8-error.md; the last digits differ between processors.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
import sklearn.datasets
from keras import layers

from tflm_ext.convert import convert
from tflm_ext.convert.convert import one_child
from tflm_ext.convert.int8_model import looked_at
from tflm_ext.report import Accuracy, OutputError
from tflm_ext.stages import Options, analyse
from tflm_ext.targets import default_board
from tflm_ext.verify.accuracy import measure_accuracy
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.float_model import LARGE_DROP, LARGE_ERROR, measure_error
from tflm_ext.verify.tflm import run_tflm
from tflm_ext.verify.vectors import quantize

Array: TypeAlias = np.ndarray[Any, Any]


class Net(NamedTuple):
    """A trained net with its data: (x, y) each."""

    model: Any
    train: tuple[Array, Array]
    test: tuple[Array, Array]


def _split(x: Array, y: Array, seed: int = 0) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Two thirds to train and calibrate, one third to test."""
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order].astype(np.float32), y[order]
    cut = 2 * len(x) // 3
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def _fit(
    x: Array, y: Array, *hidden: Any, head: str = "softmax", epochs: int = 30, rate: float = 3e-3
) -> Net:
    """Train a Sequential net; the head is softmax, logits, sigmoid, or values."""
    train, test = _split(x, y)
    for layer in hidden:
        if isinstance(layer, layers.Normalization):
            layer.adapt(train[0])
    classes = int(y.max()) + 1 if head in ("softmax", "logits") else 1
    width = classes if head in ("softmax", "logits") else max(1, np.prod(y.shape[1:], dtype=int))
    activation = head if head in ("softmax", "sigmoid") else None
    last = [] if head == "none" else [layers.Dense(width, activation)]
    model = keras.Sequential([keras.Input(x.shape[1:]), *hidden, *last])
    loss = {
        "softmax": "sparse_categorical_crossentropy",
        "logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "sigmoid": "binary_crossentropy",
    }.get(head, "mse")
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(*train, epochs=epochs, batch_size=32, verbose=0)
    return Net(model, train, test)


def _digits(scale: float = 1 / 16, flat: bool = False) -> tuple[Array, Array]:
    data = sklearn.datasets.load_digits()
    return (data.data if flat else data.images[..., None]) * scale, data.target


def _table(name: str, scaled: bool) -> tuple[Array, Array]:
    load = {
        "cancer": sklearn.datasets.load_breast_cancer,
        "wine": sklearn.datasets.load_wine,
        "iris": sklearn.datasets.load_iris,
        "diabetes": lambda: sklearn.datasets.load_diabetes(scaled=False),
    }[name]
    data = load()
    x, y = data.data, data.target
    if scaled:
        x = (x - x.mean(0)) / x.std(0)
    return x, y


def _dense(*widths: int) -> list[Any]:
    return [layers.Dense(width, "relu") for width in widths]


def _conv(*widths: int) -> list[Any]:
    return [layers.Conv2D(width, 3, activation="relu") for width in widths]


def _depthwise(widths: tuple[int, ...]) -> list[Any]:
    found: list[Any] = [layers.Conv2D(widths[0], 3, padding="same"), layers.BatchNormalization()]
    found.append(layers.ReLU(6))
    for width in widths[1:]:
        found += [layers.DepthwiseConv2D(3, padding="same", use_bias=False)]
        found += [layers.BatchNormalization(), layers.ReLU(6), layers.Conv2D(width, 1)]
        found += [layers.BatchNormalization(), layers.ReLU(6)]
    return [*found, layers.GlobalAveragePooling2D()]


def _movement(unit: float) -> Net:
    """Windows of 32 steps, three accelerations and three rates; the rates in a larger unit."""
    rng = np.random.default_rng(1)
    t = np.arange(32) / 32
    y = rng.integers(0, 3, 900)
    cycles = np.array([1.0, 2.0, 3.0])[y] * rng.uniform(0.8, 1.2, 900)
    phase = rng.uniform(0, 2 * np.pi, (900, 6))
    wave = np.sin(2 * np.pi * cycles[:, None, None] * t[:, None] + phase[:, None])
    wave[..., 3:] = rng.normal(0, 0.7, (900, 32, 3))
    wave += rng.normal(0, 0.2, wave.shape)
    wave[..., 2] += 2  # gravity
    wave *= np.array([1, 1, 1, unit, unit, unit])
    convolution = layers.Conv1D(16, 9, activation="relu")
    return _fit(
        wave, y, layers.Normalization(), convolution, layers.GlobalMaxPooling1D(), *_dense(16)
    )


def _unequal_depthwise(most: float) -> Net:
    """Channels scaled by 1 to most between two layers: the same float function, harder for int8."""
    net = _fit(*_digits(), *_conv(8), *_depthwise_plain(), epochs=40)
    first, depthwise = net.model.layers[0], net.model.layers[1]
    factors = np.geomspace(1, most, 8).astype(np.float32)
    kernel, bias = first.get_weights()
    first.set_weights([kernel * factors, bias * factors])
    kernel, bias = depthwise.get_weights()
    depthwise.set_weights([kernel / factors[:, None], bias])
    return net


def _depthwise_plain() -> list[Any]:
    return [
        layers.DepthwiseConv2D(3, activation="relu"),
        layers.Conv2D(16, 1, activation="relu"),
        layers.GlobalAveragePooling2D(),
    ]


def _autoencoder() -> Net:
    x, _ = _digits(flat=True)
    return _fit(x, x, *_dense(32, 8, 32), layers.Dense(64), head="none")


def _outlier(factor: float) -> Net:
    """One calibration sample that is too bright by a factor."""
    net = _fit(*_digits(), *_conv(8), layers.Flatten())
    x = net.train[0].copy()
    x[0] *= factor
    return net._replace(train=(x, net.train[1]))


def _weather(normalized: bool) -> Net:
    rng = np.random.default_rng(0)
    columns = rng.normal(101325, 600, 1500), rng.normal(20, 5, 1500), rng.uniform(0, 1, 1500)
    x = np.stack(columns, 1)
    y = ((x[:, 1] - 20) / 5 + (x[:, 2] - 0.5) * 4 > 0).astype(int)
    if not normalized:
        x = (x - x.mean(0)) / x.std(0)
    return _fit(x, y, *([layers.Normalization()] if normalized else []), *_dense(16))


def _pressure(offset: float) -> Net:
    """Eight values around an offset; what is asked for is how far their mean is from it."""
    x = offset + np.random.default_rng(0).normal(0, 600, (1200, 8))
    y = (x.mean(1) - offset) / 200
    return _fit(x, y, layers.Normalization(), *_dense(16), head="value")


def _friedman(layer: list[Any], head: str = "value", factor: float = 1.0) -> Net:
    x, y = sklearn.datasets.make_friedman1(1500, 10, noise=0.5, random_state=0)
    return _fit(x, y * factor, *layer, head=head, epochs=40)


def _residual() -> Net:
    (train, test) = _split(*_digits())
    x = image = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    for _ in range(3):
        y = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        x = layers.ReLU()(layers.Add()([x, layers.Conv2D(8, 3, padding="same")(y)]))
    out = layers.Dense(10, "softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, out)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(*train, epochs=25, verbose=0)
    return Net(model, train, test)


NETS: dict[str, Callable[[], Net]] = {
    "digits, CNN": lambda: _fit(*_digits(), *_conv(8, 16), layers.Flatten()),
    "digits, CNN, 0 to 255": lambda: _fit(
        *_digits(255 / 16), layers.Rescaling(1 / 255), *_conv(8), layers.Flatten()
    ),
    "digits, CNN, trained to saturation": lambda: _fit(
        *_digits(), *_conv(16, 16), layers.Flatten(), *_dense(64), epochs=80
    ),
    "digits, logits": lambda: _fit(*_digits(), *_conv(8, 16), layers.Flatten(), head="logits"),
    "digits, dense": lambda: _fit(*_digits(flat=True), *_dense(32, 32)),
    "digits, raw pixels, dense": lambda: _fit(*_digits(1, flat=True), *_dense(32)),
    "digits, residual": _residual,
    "digits, MobileNet": lambda: _fit(*_digits(), *_depthwise((8, 16, 24)), epochs=25),
    "digits, deep MobileNet": lambda: _fit(*_digits(), *_depthwise((8, 8, 8, 8, 8, 8)), epochs=25),
    "digits, channels 1 to 16": lambda: _unequal_depthwise(16),
    "digits, channels 1 to 64": lambda: _unequal_depthwise(64),
    "digits, channels 1 to 256": lambda: _unequal_depthwise(256),
    "digits, outlier of 5": lambda: _outlier(5),
    "digits, outlier of 20": lambda: _outlier(20),
    "digits, outlier of 60": lambda: _outlier(60),
    "digits, LSTM over rows": lambda: _fit(
        _digits()[0][..., 0], _digits()[1], layers.LSTM(24, unroll=True), epochs=40
    ),
    "digits, GRU over rows": lambda: _fit(
        _digits()[0][..., 0], _digits()[1], layers.GRU(16, unroll=True), epochs=40
    ),
    "digits, autoencoder": _autoencoder,
    "cancer, scaled": lambda: _fit(*_table("cancer", True), *_dense(16), head="sigmoid"),
    "cancer, scaled, softmax": lambda: _fit(*_table("cancer", True), *_dense(16)),
    "cancer, raw, Normalization": lambda: _fit(
        *_table("cancer", False), layers.Normalization(), *_dense(16), head="sigmoid"
    ),
    "cancer, raw": lambda: _fit(*_table("cancer", False), *_dense(16), head="sigmoid", epochs=80),
    "wine, scaled": lambda: _fit(*_table("wine", True), *_dense(16), epochs=60),
    "wine, raw, Normalization": lambda: _fit(
        *_table("wine", False), layers.Normalization(), *_dense(16), epochs=60
    ),
    "iris, raw": lambda: _fit(*_table("iris", False), *_dense(16), epochs=100),
    "diabetes, scaled": lambda: _fit(
        *_table("diabetes", True), *_dense(16), head="value", epochs=200
    ),
    "diabetes, raw, Normalization": lambda: _fit(
        *_table("diabetes", False), layers.Normalization(), *_dense(16), head="value", epochs=200
    ),
    "friedman, dense": lambda: _friedman(_dense(32, 32)),
    "friedman, tanh": lambda: _friedman([layers.Dense(32, "tanh"), layers.Dense(32, "tanh")]),
    "friedman, deep": lambda: _friedman(_dense(16, 16, 16, 16, 16, 16)),
    "movement, units 1 and 1": lambda: _movement(1),
    "movement, units 1 and 10": lambda: _movement(10),
    "movement, units 1 and 30": lambda: _movement(30),
    "movement, g and degrees": lambda: _movement(250),
    "weather, scaled": lambda: _weather(normalized=False),
    "weather, raw, Normalization": lambda: _weather(normalized=True),
    "pressure, offset 10,000": lambda: _pressure(10_000),
    "pressure, offset 40,000": lambda: _pressure(40_000),
    "pressure, offset 101,325": lambda: _pressure(101_325),
}


def measure(net: Net) -> tuple[OutputError, Accuracy]:
    """The error on calibration samples, and the scores on test data."""
    calibration = net.train[0][:400]
    x, y = net.test
    int8 = convert(
        net.model, calibration, test_inputs=x, progress=lambda text: None, lift=False
    ).int8
    analysis = analyse(int8, Options("measured", default_board()))
    (source,), (port,) = analysis.facts.inputs, analysis.facts.outputs

    def run(samples: Array) -> Array:
        (inputs,) = quantize([source], [samples])
        arena = arena_for(analysis.graph)
        return run_tflm(int8.bytes, [inputs], 1, arena_bytes=arena, reset_each=True).outputs[0]

    samples = calibration[looked_at(len(calibration))]
    floats = net.model.predict(samples, verbose=0)
    error = measure_error(["out"], [port], "calibration_data", [floats], [run(samples)])
    assert int8.float_outputs is not None  # there are test inputs
    return error.outputs[0], measure_accuracy(port, y, int8.float_outputs[0], run(x), None)


def main() -> None:
    """Train and measure the nets that are asked for, and print them in the order of their error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    names = parser.parse_args().names or list(NETS)
    rows = []
    with one_child():
        for name in names:
            keras.utils.set_random_seed(0)
            error, accuracy = measure(NETS[name]())
            rows.append((name, error, accuracy))
    print("| net | test samples | float | int8 | drop, 95 % interval | error | warning |")
    print("|---|---:|---:|---:|---|---:|---|")
    for name, error, accuracy in sorted(rows, key=lambda row: row[1].ratio or 0.0):
        drop, (low, high) = accuracy.drop or 0.0, accuracy.drop_interval or (0.0, 0.0)
        said = [
            *(["score"] if drop > LARGE_DROP and low > 0 else []),
            *(["error"] if (error.ratio or 0.0) > LARGE_ERROR else []),
        ]
        print(
            f"| {name} | {accuracy.samples} | {accuracy.float_model:.4f} | {accuracy.int8_tflm:.4f}"
            f" | {drop:.4f}, {low:.4f} to {high:.4f} | {error.ratio:.4f} | {' and '.join(said)} |"
        )


if __name__ == "__main__":
    main()
