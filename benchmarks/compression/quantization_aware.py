"""Quantisation-aware training side by side with tensorflow-model-optimization's.

    python benchmarks/quantization_aware.py [SEEDS]

One small depthwise net on scikit-learn's digits, whose channels have very unequal ranges: plain
int8 hurts it. For each seed the same float weights go three ways: plain int8, quantize_aware() of
the Keras 3 model, and quantize_aware() of its tf_keras twin, which tensorflow-model-optimization
trains; both train for the same epochs at the same rate. Accuracies are those of the .tflite in
TensorFlow Lite Micro on the 450 test images, which no choice here has seen.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np

import tflm_ext
from tflm_ext.convert import trace, worker
from tflm_ext.frontend import read_graph, strip_borders
from tflm_ext.ir import Graph
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.tflm_child import compute

TEST_IMAGES = 450
BATCH, EPOCHS, TUNING_EPOCHS = 32, 30, 10
RATE, TUNING_RATE = 3e-3, 1e-3
SPREAD = 8.0  # channels differ by factors of up to 2 to the power of this


@dataclass(frozen=True)
class Data:
    """Images in 0..1 and digits."""

    x_train: np.ndarray[Any, Any]
    y_train: np.ndarray[Any, Any]
    x_test: np.ndarray[Any, Any]
    y_test: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Row:
    """Accuracies of one seed, and the scales of both trainings by operator.

    Attributes:
        accuracy: by way: "float", "plain int8", "tflm_ext", "tfmot".
        scales: operator's output, with the scale of ours and that of tensorflow-model-optimization.
    """

    accuracy: dict[str, float]
    scales: tuple[tuple[str, float, float], ...]


def digits() -> Data:
    """The split of examples/digits/train.py."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    x = (data.images[..., np.newaxis] / 16.0).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(
        x, data.target, test_size=TEST_IMAGES, random_state=1, stratify=data.target
    )
    return Data(x_train, y_train, x_test, y_test)


def build(library: Any) -> Any:
    """Four depthwise separable blocks, 1,966 parameters, with either Keras."""
    layers = library.layers
    x = y = layers.Input((8, 8, 1))
    y = layers.Conv2D(8, 3, padding="same", activation="relu")(y)
    for filters, strides in ((12, 2), (16, 1), (16, 2), (16, 1)):
        y = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(y)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(filters, 1, use_bias=False)(y)
        y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.GlobalAveragePooling2D()(y)
    return library.Model(x, layers.Dense(10, activation="softmax")(y))


def make_unequal(model: Any, seed: int, spread: float = SPREAD) -> None:
    """Scale channels before a relu, and undo it in the depthwise kernel behind.

    In float the model computes what it did: relu(s x) = s relu(x) for s > 0.
    """
    rng = np.random.default_rng(seed)
    for before, norm, _, depthwise in zip(
        model.layers, model.layers[1:], model.layers[2:], model.layers[3:], strict=False
    ):
        names = [type(layer).__name__ for layer in (before, norm, depthwise)]
        if names == ["Conv2D", "BatchNormalization", "DepthwiseConv2D"]:
            factor = np.exp2(rng.uniform(0, spread, norm.gamma.shape)).astype(np.float32)
            norm.gamma.assign(norm.gamma * factor)
            norm.beta.assign(norm.beta * factor)
            depthwise.kernel.assign(depthwise.kernel / factor[:, np.newaxis])


def fit(library: Any, model: Any, data: Data, epochs: int, rate: float) -> Any:
    """Train with a rate that falls to zero."""
    steps = epochs * -(-len(data.x_train) // BATCH)
    schedule = library.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(library.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def to_int8(model: Any, calibration: Any = None) -> tuple[bytes, Graph]:
    """The .tflite without float borders, and its graph."""
    with tempfile.TemporaryDirectory() as folder:
        trace.trace(model, Path(folder, "model"))
        converter = worker.Converter()
        converter.open(Path(folder, "model"))
        file = None
        if calibration is not None:
            file = str(Path(folder, "calibration.npz"))
            np.savez(file, x000=calibration)
        out = Path(folder, "model.tflite")
        converter.convert({"calibration": file, "out": str(out)}, lambda text: None)
        tflite = strip_borders(out.read_bytes(), "net").data
    return tflite, read_graph(tflite, "net")


def accuracy(tflite: bytes, graph: Graph, data: Data) -> float:
    """Share of test images that TensorFlow Lite Micro gets right."""
    quantization = graph.tensors[graph.inputs[0]].quantization
    assert quantization is not None
    x = np.round(data.x_test / quantization.scale) + quantization.zero_point
    x = np.clip(x, -128, 127).astype(np.int8)
    (outputs,), *_ = compute(tflite, [x[:, np.newaxis]], 1, arena_for(graph))
    return float(np.mean(outputs[:, 0].argmax(-1) == data.y_test))


def measure(data: Data, seed: int, *, epochs: int = EPOCHS, tuning: int = TUNING_EPOCHS) -> Row:
    """One seed's four accuracies."""
    import keras
    import tf_keras

    keras.utils.set_random_seed(seed)
    model = fit(keras, build(keras), data, epochs, RATE)
    make_unequal(model, seed)
    twin = build(tf_keras)
    twin.set_weights([weight.numpy() for weight in model.weights])
    plain = to_int8(model, data.x_train[:200])
    results = {
        "float": float(np.mean(model.predict(data.x_test, verbose=0).argmax(-1) == data.y_test)),
        "plain int8": accuracy(*plain, data),
    }
    graphs = []
    for name, library, net in (("tflm_ext", keras, model), ("tfmot", tf_keras, twin)):
        library.utils.set_random_seed(seed)
        aware = fit(library, tflm_ext.quantize_aware(net), data, tuning, TUNING_RATE)
        tflite, graph = to_int8(aware)
        results[name] = accuracy(tflite, graph, data)
        graphs.append(graph)
    scales = tuple(
        (ours.node.operator, _scale(ours), _scale(theirs))
        for ours, theirs in zip(*(graph.views() for graph in graphs), strict=False)
        if ours.node.operator == theirs.node.operator
    )
    return Row(results, scales)


def _scale(view: Any) -> float:
    return float(view.output().quantization.scale)


def main() -> None:
    """Print both tables."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    data = digits()
    rows = []
    for seed in range(seeds):
        rows.append(measure(data, seed))
        print(seed, {way: round(value, 4) for way, value in rows[-1].accuracy.items()}, flush=True)
    print("\n| accuracy | mean | spread |\n|---|---|---|")
    for way in rows[0].accuracy:
        values = [row.accuracy[way] for row in rows]
        print(f"| {way} | {np.mean(values):.4f} | {np.std(values):.4f} |")
    print("\n| operator | scale of tflm_ext | of tfmot | ratio |\n|---|---|---|---|")
    for operator, ours, theirs in rows[-1].scales:
        print(f"| {operator} | {ours:.6g} | {theirs:.6g} | {ours / theirs:.3f} |")


if __name__ == "__main__":
    main()
