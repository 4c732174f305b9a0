"""Nets that no kernel was written for, measured against limits per MAC: `make bench-nets`.

    TFLM_EXT_MODELS=FOLDER python -m benchmarks.nets [NAME ...]

Each is built with Keras, with fixed seeds and without training, and quantised on noise. The int8
models of FOLDER are measured as well, with weights, biases and zero points drawn at random. The
limit of an operator depends on its kind alone; operators that exceed it are listed at the end, and
docs/explanation/performance.md has the reasons. The planner is asked for speed: otherwise it may
give a small layer a kernel whose code it saves.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import flatbuffers
import keras
import numpy as np
from keras import layers
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from benchmarks.bench import FLAGS
from tflm_ext.api import inspect_model
from tflm_ext.bench import OperatorFigures, bench
from tflm_ext.convert import convert


def mobilenet_v2() -> Any:
    """Expansion, depthwise, projection, and residuals."""
    x = image = keras.Input((48, 48, 3))
    x = layers.Conv2D(16, 3, 2, "same", use_bias=False)(x)
    x = layers.ReLU(6)(layers.BatchNormalization()(x))
    for channels, stride in ((16, 1), (24, 2), (24, 1), (32, 2), (32, 1)):
        y = layers.Conv2D(4 * x.shape[-1], 1, use_bias=False)(x)
        y = layers.ReLU(6)(layers.BatchNormalization()(y))
        y = layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(y)
        y = layers.ReLU(6)(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(channels, 1, use_bias=False)(y))
        x = layers.Add()([x, y]) if stride == 1 and channels == x.shape[-1] else y
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, "softmax")(x))


def vibration() -> Any:
    """A signal of three axes."""
    return keras.Sequential(
        [
            keras.Input((256, 3)),
            layers.Conv1D(16, 7, 2, "same", activation="relu"),
            layers.Conv1D(32, 5, 2, "same", activation="relu"),
            layers.Conv1D(32, 3, 2, "same", activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(16, "relu"),
            layers.Dense(4, "softmax"),
        ]
    )


def autoencoder() -> Any:
    """Dense layers down to a few numbers, and back."""
    sizes = (64, 32, 6, 32, 64)
    hidden = [layers.Dense(size, "relu") for size in sizes]
    return keras.Sequential([keras.Input((196,)), *hidden, layers.Dense(196)])


def squeeze_and_excitation() -> Any:
    """Channels weighted by what the whole image says."""
    x = image = keras.Input((24, 24, 4))
    for channels in (16, 32):
        x = layers.Conv2D(channels, 3, 2, "same", activation="relu")(x)
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(channels // 4, 1, activation="relu")(gate)
        gate = layers.Conv2D(channels, 1, activation="sigmoid")(gate)
        x = layers.Multiply()([x, gate])
    return keras.Model(image, layers.Dense(5, "softmax")(layers.GlobalAveragePooling2D()(x)))


def ds_cnn_odd() -> Any:
    """Separable convolutions of sizes that fit nothing."""
    x = sound = keras.Input((41, 13, 1))
    x = layers.Conv2D(23, (9, 3), (2, 2), "same", activation="relu")(x)
    for channels in (23, 30, 37):
        x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = layers.Conv2D(channels, 1, activation="relu")(x)
    return keras.Model(sound, layers.Dense(11, "softmax")(layers.GlobalAveragePooling2D()(x)))


def dilated_tcn() -> Any:
    """Causal convolutions in time that look back further and further."""
    x = signal = keras.Input((64, 8))
    for dilation in (1, 2, 4, 8):
        y = layers.Conv1D(24, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
        x = layers.Add()([y, x]) if x.shape[-1] == 24 else y
    return keras.Model(signal, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(x)))


def lstm() -> Any:
    """A recurrent net, unrolled."""
    return keras.Sequential(
        [keras.Input((8, 12)), layers.LSTM(16, unroll=True), layers.Dense(4, "softmax")]
    )


def unet() -> Any:
    """Down, up again by transposed convolutions, and across."""
    image = keras.Input((32, 32, 1))
    a = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    b = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(a))
    c = layers.Conv2D(32, 3, padding="same", activation="relu")(layers.MaxPooling2D()(b))
    x = layers.Conv2DTranspose(16, 2, 2, activation="relu")(c)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.Concatenate()([x, b]))
    x = layers.Conv2DTranspose(8, 2, 2, activation="relu")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Concatenate()([x, a]))
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))


NETS: tuple[Callable[[], Any], ...] = (
    *(mobilenet_v2, vibration, autoencoder, squeeze_and_excitation),
    *(ds_cnn_odd, dilated_tcn, lstm, unet),
)


def int8(build: Callable[[], Any]) -> bytes:
    """The quantised net; BatchNormalization has statistics as after training."""
    keras.utils.set_random_seed(1)
    model = build()
    draw = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = (w.shape for w in layer.weights)
            layer.set_weights(
                [
                    draw.uniform(0.5, 1.5, gamma),
                    draw.normal(0, 0.3, beta),
                    draw.normal(0, 0.3, mean),
                    draw.uniform(0.3, 1, variance),
                ]
            )
    samples = draw.normal(size=(32, *model.input_shape[1:])).astype(np.float32)
    return convert(model, samples, progress=lambda text: None, lift=False).int8.bytes


_SAME = ("AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D", "PAD", "RESHAPE", "STRIDED_SLICE")
_MATRICES = ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_FIXED = ("LOGISTIC", "SOFTMAX", "TANH")
_NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items()}


def shuffled(path: Path) -> bytes:
    """A model with other weights, biases and zero points, all drawn with a fixed seed.

    Operators that want one zero point for input and output get one, and outputs whose zero point
    is fixed keep it. Scales are not changed.
    """
    draw = np.random.default_rng(1)
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    (graph,) = model.subgraphs
    points: dict[int, int] = {}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        computed = [int(i) for i in operator.inputs if i >= 0 and not _is_stored(model, graph, i)]
        for i in computed:
            points.setdefault(i, int(draw.integers(-128, 128)))
        out = int(operator.outputs[0])
        if name in _SAME:
            points[out] = points[computed[0]]
        elif name not in _FIXED:
            points[out] = int(draw.integers(-128, 128))
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weights, bias = (graph.tensors[int(i)] for i in operator.inputs[1:3])
            values = draw.integers(-127, 128, weights.shape, np.int8)
            model.buffers[weights.buffer].data = values.tobytes()
            values = draw.integers(-2000, 2001, bias.shape, np.int32)
            model.buffers[bias.buffer].data = values.tobytes()
    for i, point in points.items():
        graph.tensors[i].quantization.zeroPoint = [point]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _is_stored(model: Any, graph: Any, tensor: int) -> bool:
    data = model.buffers[graph.tensors[tensor].buffer].data
    return data is not None and len(data) > 0


def limit(row: OperatorFigures, depth: int, window: tuple[int, ...], stride: int) -> float | None:
    """Instructions per MAC that an operator may take, per element for ADD and MUL; None: any."""
    if row.operator in ("ADD", "MUL"):
        return 20.0
    if row.operator in _MATRICES:
        return 1.4 if depth >= 16 else 2.2 if depth >= 8 else None
    if row.operator == "DEPTHWISE_CONV_2D" and window == (3, 3):
        return {1: 3.0, 2: 4.5}.get(stride)
    return None


def measure(name: str, model: bytes) -> list[str]:
    """Print a net's figures; returns a line for each operator beyond its limit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.tflite")
        path.write_bytes(model)
        found = bench(path, optimize="speed", flags=FLAGS)
        steps = inspect_model(path, optimize="speed").plan.steps
    print(f"{found}\n", flush=True)
    beyond = []
    for row, step in zip(found.operators, steps, strict=True):
        view = step.view
        weights = view.input(1).shape if view.has_input(1) else ()
        depth = weights[-1] if row.operator in _MATRICES else 0
        window = tuple(weights[1:3]) if len(weights) == 4 else ()
        allowed = limit(row, depth, window, getattr(view.options, "stride_height", 0))
        taken = row.instructions / (row.macs or row.elements)
        if allowed is not None and taken > allowed:
            what = "MAC" if row.macs else "element"
            shape = "x".join(map(str, view.output().shape))
            beyond.append(
                f"| {name} | {row.index} {row.operator} | {depth or ''} to {shape} | "
                f"{row.kernel} | {taken:.2f} | {allowed} per {what} |"
            )
    return beyond


def main() -> None:
    """Measure the nets that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nets")
    folder = os.environ.get("TFLM_EXT_MODELS")
    models: dict[str, Callable[[], bytes]] = {b.__name__: partial(int8, b) for b in NETS}
    models |= {
        f"{path.stem}_shuffled": partial(shuffled, path)
        for path in (sorted(Path(folder).glob("*.tflite")) if folder else ())
    }
    parser.add_argument("names", nargs="*", choices=[[], *models], metavar="NAME")
    chosen = parser.parse_args().names or models
    beyond = [line for name in chosen for line in measure(name, models[name]())]
    print("| net | operator | channels to output | kernel | takes | limit |")
    print("|---|---|---|---|---:|---:|")
    print("\n".join(beyond) or "| none | | | | | |")


if __name__ == "__main__":
    main()
