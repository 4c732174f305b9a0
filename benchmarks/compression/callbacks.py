"""What callbacks cost: the time of fit() with each, divided by that of the same fit() without."""

from __future__ import annotations

import os

# TensorFlow reads them when it is imported: with other experiments before it is too late.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
os.environ["TF_NUM_INTEROP_THREADS"] = "1"

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

import tflm_ext
from benchmarks.compression.experiment import Experiment, Row
from examples.digits import train as digits

REPETITIONS = 2
Array = np.ndarray[Any, Any]
Fit = Callable[[], object]

ABOUT = f"""\
Each time is that of the first fit() of a compiled model, including the tracing of the training step
and the one-time work of the callback. All callbacks work from the first epoch. The variants take
turns, {REPETITIONS} runs each, and the ratio compares their shortest times. Times are processor
times with TensorFlow on one thread, because other programs on the machine disturb them less than
they disturb wall-clock times.

"digits" is the CNN of the demo (38,282 parameters, 116,352 MACs) in batches of 64, for 10 epochs of
its training images repeated five times. "autoencoder" is the Dense network 640-128x4-8-128x4-640
with BatchNormalization (264,192 multiplied weights) on noise, for 10 epochs of 60 steps in batches
of 512, as MLPerf Tiny trains it, and for 5 epochs of 300 steps in batches of 32. The latter is the
worst case: the work of a callback on weights grows with the number of weights, that of a step with
the number of weights times the batch size.

Distillation is measured for information, with a teacher of the same size as the student; running
the teacher is part of the method. DistillationCallback traces its own step instead of the model's
in every fit().
"""


def measure(seed: int) -> list[Row]:
    """The ratios on all nets."""
    keras.utils.set_random_seed(seed)
    data = digits.load()
    x = np.concatenate([data.x_train] * 5)
    y = np.tile(data.y_train, 5)
    rows = _ratios("digits, batch 64", digits.build, x, y, 64, 10, seed)
    noise = np.random.default_rng(seed).normal(size=(512 * 60, 640)).astype(np.float32)
    for batch, steps, epochs in ((512, 60, 10), (32, 300, 5)):
        x = noise[: batch * steps]
        rows += _ratios(f"autoencoder, batch {batch}", autoencoder, x, x, batch, epochs, seed)
    return rows


def autoencoder() -> keras.Model:
    """The shape of MLPerf Tiny's net for anomalies in sounds: 640-128x4-8-128x4-640."""
    layers = keras.layers
    x = y = keras.Input((640,))
    for units in [128] * 4 + [8] + [128] * 4:
        y = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(y)))
    return keras.Model(x, layers.Dense(640)(y))


def _ratios(
    net: str, build: Callable[[], Any], x: Array, y: Array, batch: int, epochs: int, seed: int
) -> list[Row]:
    """One row for each way: interleaved, so that a busy minute of the machine meets all."""
    loss = "mse" if y is x else "sparse_categorical_crossentropy"
    plain, teacher, distilled = build(), build(), build()
    start = plain.get_weights()
    strip = loss != "mse"
    distiller = tflm_ext.Distiller(build(), teacher, strip_softmax=strip)
    outputs = tflm_ext.TeacherOutputs.compute(teacher, x, batch_size=512)
    attached = outputs.attach(x)

    def fit(model: Any, data: Any, callbacks: Sequence[Any] = ()) -> None:
        _compiled(model, loss)  # what was traced before is forgotten
        model.fit(data, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=list(callbacks))

    sparse, few = tflm_ext.SparsityCallback, tflm_ext.ClusteringCallback
    taught = tflm_ext.DistillationCallback
    ways: dict[str, Fit] = {
        "without": lambda: fit(plain, x),
        "1x4 sparsity 75 %": lambda: fit(plain, x, [sparse(0.75)]),
        "2:4 sparsity": lambda: fit(plain, x, [sparse(0.5, pattern="2:4")]),
        "unstructured sparsity 75 %": lambda: fit(plain, x, [sparse(0.75, pattern="unstructured")]),
        "16 clusters per tensor": lambda: fit(plain, x, [few(16)]),
        "16 clusters per channel": lambda: fit(plain, x, [few(16, per="channel")]),
        "DistillationCallback, teacher's outputs computed before": lambda: fit(
            distilled, attached, [taught(teacher, strip_softmax=strip)]
        ),
        "Distiller, teacher's outputs computed before": lambda: fit(distiller, attached),
        "Distiller": lambda: fit(distiller, x),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(REPETITIONS):
        for way, run in ways.items():
            plain.set_weights(start)
            begin = time.process_time()
            run()
            times[way].append(time.process_time() - begin)
    least = {way: min(found) for way, found in times.items()}
    steps = epochs * -(-len(x) // batch)
    return [
        Row(
            f"{net}: {way}",
            seed,
            more={"ratio": seconds / least["without"], "ms per step": seconds / steps * 1e3},
        )
        for way, seconds in least.items()
    ]


def _compiled(model: Any, loss: str) -> Any:
    model.compile("adam", loss)
    return model


EXPERIMENT = Experiment(
    "callbacks",
    "What callbacks cost: time of fit() with and without",
    "time",
    ABOUT,
    1,
    measure,
)
