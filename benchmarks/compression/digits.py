"""Handwritten digits: the demo's CNN, compressed, against small nets trained from scratch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import tflm_ext
from benchmarks.compression.experiment import Experiment, Row, accuracy, evaluate, plain
from examples.digits import train as demo

TUNING_EPOCHS = 10  # with a callback
BATCH = 32
PRESETS = ("fast", "balanced", "smallest")

ABOUT = f"""\
scikit-learn's digits, 8x8 grey images. 450 are test images, which did not influence any choice; of
the other 1,347, {demo.VALIDATION_IMAGES} are for validation and the rest for training, each image
as it is and {demo.COPIES} times shifted by up to a pixel. Network: Conv2D 16 of 3x3, MaxPooling2D,
Conv2D 32 of 3x3, Flatten, Dense 64, Dense 10, with Dropout: 38,282 parameters, 116,352 MACs,
trained for {demo.EPOCHS} epochs. "scratch, as ..." is a network of exactly the sizes that the
recipe left, with new weights, trained with the targets alone for as many epochs as the uncompressed
network and its compression together. Sparsity and clusters are trained for {TUNING_EPOCHS} more
epochs; "as given, {TUNING_EPOCHS} epochs more" is their control."""


def measure(seed: int) -> list[Row]:
    """The net as given, every preset with its control, and the callbacks."""
    data = demo.load()
    rng = np.random.default_rng(seed)
    images = np.concatenate([data.x_train, data.x_validation])
    digits = np.concatenate([data.y_train, data.y_validation])
    order = rng.permutation(len(images))
    held, rest = order[: demo.VALIDATION_IMAGES], order[demo.VALIDATION_IMAGES :]
    validation = (images[held], digits[held])
    calibration = images[rest[: demo.CALIBRATION_IMAGES]]
    x, y = demo.with_copies(images[rest], digits[rest], rng)

    def row(way: str, model: Any) -> Row:
        ranges = calibration if plain(model) is model else None
        return evaluate(way, seed, model, ranges, data.x_test, accuracy(data.y_test))

    keras.utils.set_random_seed(seed)
    given = _fit(demo.build(), x, y, demo.EPOCHS, 2e-3)
    rows = [row("as given", given)]
    for preset in PRESETS:
        recipe = tflm_ext.Recipe.preset(preset)
        result = tflm_ext.compress(
            given, (x, y), validation_data=validation, recipe=recipe, progress=False
        )
        rows.append(row(f"compress(), {preset}", result.model))
        epochs = demo.EPOCHS + recipe.fine_tune_epochs + recipe.quantize_epochs
        keras.utils.set_random_seed(seed)
        small = keras.models.clone_model(plain(result.model))
        rows.append(row(f"scratch, as {preset}", _fit(small, x, y, epochs, 2e-3)))
    for way, callbacks in (
        (f"as given, {TUNING_EPOCHS} epochs more", []),
        ("1x4 sparsity 75 %", [tflm_ext.SparsityCallback(0.75, pattern="1x4")]),
        ("2:4 sparsity", [tflm_ext.SparsityCallback(0.5, pattern="2:4")]),
        ("16 clusters", [tflm_ext.ClusteringCallback(16)]),
    ):
        keras.utils.set_random_seed(seed)
        copy = keras.models.clone_model(given)
        copy.set_weights(given.get_weights())
        rows.append(row(way, _fit(copy, x, y, TUNING_EPOCHS, 5e-4, callbacks)))
    return rows


def _fit(model: Any, x: Any, y: Any, epochs: int, rate: float, callbacks: Any = ()) -> Any:
    """Train with a rate that falls to zero."""
    steps = epochs * -(-len(x) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model


EXPERIMENT = Experiment("digits", "Handwritten digits", "accuracy", ABOUT, 5, measure)
