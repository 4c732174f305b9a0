"""How small encode() makes the demo's CNN, plain, sparse and clustered.

    python -m benchmarks.encoding

prints the table of docs/how-to/encode.md. Takes about two minutes.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

import tflm_ext
from examples.digits import train as digits
from tflm_ext.convert import convert
from tflm_ext.encoding.methods import METHODS

EPOCHS = 5  # of each callback


def models() -> Iterator[tuple[str, bytes]]:
    """The nets as int8, each with what was done to its weights."""
    data = digits.load()
    x, y = digits.with_copies(data.x_train, data.y_train, np.random.default_rng(digits.SEED))
    given = digits.fit(x, y)

    def int8(model: Any) -> bytes:
        calibration = data.x_train[: digits.CALIBRATION_IMAGES]
        return convert(model, calibration, progress=lambda text: None, lift=False).int8.bytes

    def trained(*callbacks: Any) -> Any:
        model = keras.models.clone_model(given)
        model.set_weights(given.get_weights())
        for callback in callbacks:
            model.compile(keras.optimizers.Adam(5e-4), "sparse_categorical_crossentropy")
            model.fit(x, y, epochs=EPOCHS, verbose=0, callbacks=[callback])
        return model

    def zeros(share: float) -> Any:
        return tflm_ext.SparsityCallback(share, pattern="unstructured")

    yield "as trained", int8(given)
    yield "90 % zeros", int8(trained(zeros(0.9)))
    yield "75 % zeros, 16 clusters", int8(trained(zeros(0.75), tflm_ext.ClusteringCallback(16)))


def main() -> None:
    """Encode each model in every way and print the sizes."""
    print("| weights | way | .tflite | encoded | share | arena | symbols per call |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name, model in models():
        for way in ("auto", *METHODS):
            result = tflm_ext.encode(model, way)
            before, after = result.tflite_bytes_before, result.tflite_bytes
            symbols = sum(tensor.symbols for tensor in result.tensors)
            arena = f"{result.arena_bytes_before:,} → {result.arena_bytes:,}"
            print(
                f"| {name} | {way} | {before:,} | {after:,} | {after / before:.2f} | {arena}"
                f" | {symbols:,} |"
            )


if __name__ == "__main__":
    main()
