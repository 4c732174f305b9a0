"""Sounds of a fan: an autoencoder of the MLPerf Tiny shape, compressed, that hears faults."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.compression.experiment import Array, Experiment, Row, evaluate, plain

import keras  # isort: skip  (after the settings of TensorFlow in experiment.py)

import tflm_ext


def _example(name: str) -> ModuleType:
    """The train.py of an example; every example has one of that name."""
    path = Path(__file__).resolve().parents[2] / "examples" / name / "train.py"
    spec = importlib.util.spec_from_file_location(f"{name}_example", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module


sounds = _example("machine_sounds")

WAY = "compress(), weights 3 times smaller"
RECIPE = tflm_ext.Recipe(
    shrink=3.0,
    temperature=None,
    round_epochs=2,
    fine_tune_epochs=20,
    quantize_epochs=5,
    learning_rate=2e-3,
    batch_size=sounds.BATCH,
)
MOST_ROUNDS = 10  # of pruning, each of which removes a tenth of the channels
EPOCHS = (
    sounds.EPOCHS
    + MOST_ROUNDS * RECIPE.round_epochs
    + RECIPE.fine_tune_epochs
    + RECIPE.quantize_epochs
)

ABOUT = f"""\
Generated sounds of a fan (examples/machine_sounds describes the physical model). Each seed has
different fans, recordings and initial weights. {sounds.TRAIN} healthy recordings of
{sounds.SECONDS} s are for training, {sounds.VALIDATION} healthy ones for validation, and
{sounds.TEST} healthy and {sounds.TEST} faulty ones (bearing, blade, rubbing, leak; a quarter each)
for testing. Whether to distil was decided on another seed, whose recordings are not part of these:
without distillation was better. Network: Dense 640-128-128-128-128-8-128-128-128-128-640, with
BatchNormalization and ReLU after each layer but the last: 269,992 parameters, 264,192 MACs, trained
for {sounds.EPOCHS} epochs on windows of healthy recordings with the mean squared error. The AUC is
that of the recordings' mean squared errors, relative to the input before it is rounded to int8. The
recipe has shrink={RECIPE.shrink:g}, no distillation, {RECIPE.round_epochs} epochs after each round
of pruning, {RECIPE.fine_tune_epochs} epochs of fine-tuning and {RECIPE.quantize_epochs} of
quantisation-aware training. Input and output stay 640 wide; the bottleneck of 8 may lose channels
like any other layer, and the column "bottleneck" shows what remained. "scratch, as compressed" is a
network of exactly the remaining sizes, with new weights, trained for {EPOCHS} epochs, at least as
many as the uncompressed network and its compression together."""


def measure(seed: int) -> list[Row]:
    """The net as given, compressed, and a small one from scratch."""
    data = sounds.load(seed)
    train, validation = (x.reshape(-1, x.shape[-1]) for x in (data.x_train, data.x_validation))
    test = data.x_test.reshape(-1, data.x_test.shape[-1])

    def score(reconstructed: Array) -> float:
        return sounds.auc(sounds.scores(data.x_test, reconstructed), data.y_test)

    def row(way: str, model: Any) -> Row:
        net = plain(model)
        calibration = sounds.calibration(data) if net is model else None
        bottleneck = min(layer.units for layer in net.layers if hasattr(layer, "units"))
        return evaluate(way, seed, model, calibration, test, score, bottleneck=bottleneck)

    keras.utils.set_random_seed(seed)
    given = sounds.build()
    sounds.fit(given, data.x_train)
    result = tflm_ext.compress(
        given,
        (train, train),
        validation_data=(validation, validation),
        recipe=RECIPE,
        progress=False,
    )
    keras.utils.set_random_seed(seed)
    small = keras.models.clone_model(plain(result.model))
    sounds.fit(small, data.x_train, epochs=EPOCHS)
    return [
        row("as given", given),
        row(WAY, result.model),
        row("scratch, as compressed", small),
    ]


EXPERIMENT = Experiment("machine_sounds", "Sounds of a fan", "AUC", ABOUT, 5, measure)
