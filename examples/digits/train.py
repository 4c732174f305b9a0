"""Train a small CNN on scikit-learn's handwritten digits: 8x8 grey images of 0 to 9.

    python examples/digits/train.py [FOLDER]

writes digits.keras, calibration.npz (key x), and train.npz, validation.npz and test.npz (keys x and
y) to FOLDER, by default build/digits. Of the 1,797 images 450 are for testing only: neither the
training nor any choice made here has seen them. 200 more are for choices, as those of compression.
Takes less than a minute on two cores.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 1
TEST_IMAGES = 450
VALIDATION_IMAGES = 200
CALIBRATION_IMAGES = 200
EPOCHS = 30
COPIES = 4  # of every image to train with, moved by up to a pixel


@dataclass(frozen=True)
class Digits:
    """Images as float32 (n, 8, 8, 1) in 0..1, and the digits that they show."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load() -> Digits:
    """The images with a fixed split, in which every digit has its share."""
    data = load_digits()
    x = (data.images[..., np.newaxis] / 16.0).astype(np.float32)
    x, x_test, y, y_test = train_test_split(
        x, data.target, test_size=TEST_IMAGES, random_state=SEED, stratify=data.target
    )
    x_train, x_validation, y_train, y_validation = train_test_split(
        x, y, test_size=VALIDATION_IMAGES, random_state=SEED, stratify=y
    )
    return Digits(x_train, y_train, x_validation, y_validation, x_test, y_test)


def build() -> keras.Model:
    """Two convolutions and two dense layers: 116,352 multiplications, 38,282 parameters."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )


def shifted(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every image moved by up to one pixel each way, with empty pixels where it came from."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = np.empty_like(x)
    for i, (row, column) in enumerate(rng.integers(0, 3, (len(x), 2))):
        out[i] = padded[i, row : row + 8, column : column + 8]
    return out


def with_copies(
    x: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Every image as it is, and moved COPIES times."""
    return np.concatenate([x, *(shifted(x, rng) for _ in range(COPIES))]), np.tile(y, COPIES + 1)


def fit(
    x: np.ndarray, y: np.ndarray, *, epochs: int = EPOCHS, progress: bool = False
) -> keras.Model:
    """Train a new model."""
    keras.utils.set_random_seed(SEED)
    model = build()
    steps = epochs * -(-len(x) // 64)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    show = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print(
            f"\r  epoch {epoch + 1} of {epochs}", end="", flush=True
        ),
        on_train_end=lambda logs: print(),
    )
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0, callbacks=[show] if progress else [])
    return model


def train(folder: Path, *, epochs: int = EPOCHS, progress: bool = False) -> Path:
    """Train and write everything that an export needs; the path of the model."""
    data = load()
    x, y = with_copies(data.x_train, data.y_train, np.random.default_rng(SEED))
    model = fit(x, y, epochs=epochs, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "digits.keras")
    np.savez_compressed(folder / "train.npz", x=x, y=y)
    np.savez_compressed(folder / "validation.npz", x=data.x_validation, y=data.y_validation)
    np.savez_compressed(folder / "calibration.npz", x=data.x_train[:CALIBRATION_IMAGES])
    np.savez_compressed(folder / "test.npz", x=data.x_test, y=data.y_test)
    return folder / "digits.keras"


if __name__ == "__main__":
    written = train(
        Path(sys.argv[1] if len(sys.argv) > 1 else "build/digits"), progress=sys.stdout.isatty()
    )
    print(f"{written} and four .npz files next to it are written.")
