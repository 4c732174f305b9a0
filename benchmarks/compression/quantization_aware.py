"""Quantisation-aware training against plain int8, float fine-tuning and tensorflow's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tflm_ext
from benchmarks.compression.experiment import Experiment, Row, accuracy, evaluate
from benchmarks.compression.results import RESULTS
from examples.digits.train import Digits, load
from tflm_ext.convert import convert, one_child
from tflm_ext.frontend import read_graph
from tflm_ext.ir import Graph

BATCH, EPOCHS, TUNING_EPOCHS = 64, 30, 10
RATE, TUNING_RATE = 6e-3, 1e-3
CALIBRATION = 200
TRAINING_IMAGES = 1_147
SPREAD = 8.0  # channels differ by factors of up to 2 to the power of this
SCALES = RESULTS / "quantization_aware_scales.md"


def build(library: Any) -> Any:
    """Four depthwise separable blocks, with either Keras."""
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
    """Scale channels before a relu, and undo it in the depthwise kernel after it.

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


def fit(library: Any, model: Any, data: Digits, epochs: int, rate: float, seed: int) -> Any:
    """Train with a rate that falls to zero."""
    library.utils.set_random_seed(seed)
    steps = epochs * -(-len(data.x_train) // BATCH)
    schedule = library.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(library.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def measure(seed: int) -> Iterator[Row]:
    """The same float weights on four ways to int8."""
    import keras
    import tf_keras

    data = load()
    assert len(data.x_train) == TRAINING_IMAGES
    calibration = data.x_train[:CALIBRATION]

    def row(way: str, model: Any, samples: Any = None) -> Row:
        return evaluate(way, seed, model, samples, data.x_test, accuracy(data.y_test))

    keras.utils.set_random_seed(seed)
    model = fit(keras, build(keras), data, EPOCHS, RATE, seed)
    yield row("before the ranges are made unequal, plain int8", model, calibration)
    make_unequal(model, seed)
    yield row("as trained, plain int8", model, calibration)

    tuned = keras.models.clone_model(model)
    tuned.set_weights(model.get_weights())
    fit(keras, tuned, data, TUNING_EPOCHS, TUNING_RATE, seed)
    yield row("float fine-tuning, plain int8", tuned, calibration)

    ours = fit(keras, tflm_ext.quantize_aware(model), data, TUNING_EPOCHS, TUNING_RATE, seed)
    yield row("quantize_aware()", ours)

    twin = build(tf_keras)
    twin.set_weights(model.get_weights())
    theirs = fit(tf_keras, tflm_ext.quantize_aware(twin), data, TUNING_EPOCHS, TUNING_RATE, seed)
    yield row("quantize_aware() of the tf_keras twin: tfmot", theirs)
    if seed == 0:
        SCALES.write_text(scales(ours, theirs), "utf-8")


def measured(seed: int) -> list[Row]:
    """All rows of a seed."""
    with one_child():
        return list(measure(seed))


def scales(ours: Any, theirs: Any) -> str:
    """The scale of every operator's output in both .tflite files, as Markdown."""
    text = "| operator | scale of tflm_ext | of tfmot | ratio |\n|---|---:|---:|---:|\n"
    for mine, other in zip(*(_graph(model).views() for model in (ours, theirs)), strict=True):
        assert mine.node.operator == other.node.operator
        a, b = (float(view.output().quantization.scale) for view in (mine, other))
        text += f"| {mine.node.operator} | {a:.4g} | {b:.4g} | {a / b:.3f} |\n"
    return text


def _graph(model: Any) -> Graph:
    return read_graph(
        convert(model, None, progress=lambda text: None, lift=False).int8.bytes, "net"
    )


ABOUT = f"""\
scikit-learn's digits, 8x8 grey images. 450 are test images, which did not influence any choice; the
other {TRAINING_IMAGES:,} are for training.

Network: Conv2D 8 of 3x3, then four times DepthwiseConv2D of 3x3 and Conv2D of 1x1 to 12, 16, 16 and
16 channels, each with BatchNormalization and ReLU, global average, Dense 10: 1,966 parameters,
15,456 MACs, trained for {EPOCHS} epochs (Adam, {RATE:g} falling to zero, batches of {BATCH}).

Its unequal ranges are artificial: after training, the 44 channels before three of its depthwise
layers are multiplied by random factors of 1 to {2**SPREAD:.0f}, and the depthwise kernels after
them are divided by these. In float the network computes the same as before; the first row is plain
int8 before this change. The last three rows all start from the unequal weights and train for
{TUNING_EPOCHS} more epochs ({TUNING_RATE:g}, falling to zero). Plain int8 is calibrated with
{CALIBRATION} training images. The tf_keras twin has the same weights and is trained by
tensorflow-model-optimization. The float score of a quantisation-aware model includes its
rounding."""


EXPERIMENT = Experiment(
    name="quantization_aware",
    title="Quantisation-aware training of a depthwise net with unequal ranges",
    metric="accuracy",
    about=ABOUT,
    seeds=5,
    measure=measured,
)
