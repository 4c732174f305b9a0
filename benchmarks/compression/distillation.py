"""A student of 946 parameters, plainly trained and taught by the digits CNN.

python -m benchmarks.compression.distillation

prints what validation images say of temperature, alpha and the number of epochs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np

import tflm_ext
from benchmarks.compression.experiment import Experiment, Row, accuracy, evaluate
from examples.digits import train as demo
from tflm_ext.convert import one_child

BATCH, RATE = 128, 1e-2
SHORT, LONG = 10, 60  # epochs
CALIBRATION = 200
TEMPERATURE, ALPHA = 4.0, 0.7
GRID = ((2.0, 0.7), (4.0, 0.7), (4.0, 1.0))


@dataclass(frozen=True)
class Lesson:
    """What students learn from: images, their digits, and what the teacher says of them."""

    data: demo.Digits
    x: np.ndarray
    y: np.ndarray
    teacher: Any
    outputs: tflm_ext.TeacherOutputs


@cache
def lesson() -> Lesson:
    """The demo's CNN, trained on the training images, and its outputs."""
    data = demo.load()
    x, y = demo.with_copies(data.x_train, data.y_train, np.random.default_rng(demo.SEED))
    teacher = demo.fit(x, y)
    outputs = tflm_ext.TeacherOutputs.compute(teacher, x, batch_size=512)
    return Lesson(data, x, y, teacher, outputs)


def build() -> Any:
    """The student: 946 parameters."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.SeparableConv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def train(seed: int, epochs: int, **taught: float) -> Any:
    """A student; the same seed gives the same initial weights and the same order of images.

    Args:
        seed: of weights and order.
        epochs: with a rate that falls to zero in the end.
        **taught: temperature and alpha; none for plain training.
    """
    keras.utils.set_random_seed(seed)
    student = model = build()
    x, y = lesson().x, lesson().y
    if taught:
        model = tflm_ext.Distiller(student, lesson().teacher, strip_softmax=True, **taught)
        x = lesson().outputs.attach(x)
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * -(-len(y) // BATCH))
    # XLA would compile longer than these students train.
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", jit_compile=False)
    keras.utils.set_random_seed(seed)
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return student


def measure(seed: int) -> Iterator[Row]:
    """Both ways with both numbers of epochs; the one teacher with the first seed."""
    data = lesson().data

    def row(way: str, model: Any) -> Row:
        images, score = data.x_train[:CALIBRATION], accuracy(data.y_test)
        return evaluate(way, seed, model, images, data.x_test, score)

    if seed == 0:
        yield row("teacher", lesson().teacher)
    for epochs in (SHORT, LONG):
        yield row(f"plain, {epochs} epochs", train(seed, epochs))
        student = train(seed, epochs, temperature=TEMPERATURE, alpha=ALPHA)
        yield row(f"distilled, {epochs} epochs", student)


def measured(seed: int) -> list[Row]:
    """All rows of a seed."""
    with one_child():
        return list(measure(seed))


def choose(seeds: int = 3) -> None:
    """Print accuracies on the validation images."""
    data = lesson().data

    def show(what: str, epochs: int, **taught: float) -> None:
        students = [train(seed, epochs, **taught) for seed in range(seeds)]
        score = accuracy(data.y_validation)
        scores = [score(s.predict(data.x_validation, verbose=0)) for s in students]
        print(f"{what}, {epochs} epochs: {np.mean(scores):.4f}", flush=True)

    for epochs in (SHORT, LONG, 2 * LONG):
        show("plain", epochs)
    for temperature, alpha in GRID:
        show(f"{temperature=} {alpha=}", SHORT, temperature=temperature, alpha=alpha)


ABOUT = f"""\
scikit-learn's digits, 8x8 grey images. 450 are test images, which did not influence any choice; 200
are for validation and 1,147 for training, each as it is and {demo.COPIES} times shifted by up to a
pixel.

Teacher: the demo's CNN, Conv2D 16 of 3x3, MaxPooling2D, Conv2D 32 of 3x3, Flatten, Dense 64, Dense
10, with Dropout: 38,282 parameters, 116,352 MACs, {demo.EPOCHS} epochs, trained once. Student:
Conv2D 8 of 3x3 with strides, SeparableConv2D 16 of 3x3, MaxPooling2D, Flatten, Dense 10: 946
parameters. Both methods have the same initial weights, order of images and epochs (Adam, {RATE:g}
falling to zero, batches of {BATCH}). Temperature {TEMPERATURE:g} and alpha {ALPHA:g} were
chosen from three pairs with two seeds and another split of the images that are not test images."""


EXPERIMENT = Experiment(
    name="distillation",
    title="Distillation of the digits CNN into 946 parameters",
    metric="accuracy",
    about=ABOUT,
    seeds=10,
    measure=measured,
)

if __name__ == "__main__":
    choose()
