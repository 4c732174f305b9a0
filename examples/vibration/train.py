"""Train a small 1-D CNN that tells the state of a rotating machine from its vibration.

    python examples/vibration/train.py [FOLDER]

writes vibration.keras, calibration.npz (key x) and test.npz (keys x and y) to FOLDER, by default
build/vibration. The signals are generated, so nothing has to be downloaded: an accelerometer on the
bearing of a motor, three axes (x and y radial, z axial), 1,600 samples per second, windows of 128
samples, which is 80 ms or about two turns of the shaft. What is modelled, with f the frequency of
the shaft:

healthy       a little rotation at f, the same size on x and y, and noise, as in every state
imbalance     a force that turns with the shaft: strong at f, y a quarter of a turn after x
misalignment  the coupling is bent twice in a turn: strong at 2 f, half of it axial, and some at 3 f
looseness     the foot lifts and hits the ground: harmonics of f and of f / 2, clipped on one side
bearing       each ball that rolls over a crack in the outer ring, 3.57 times in a turn with some
              slip, rings the housing: a decaying oscillation at about 550 Hz

Speed (24 to 30 turns per second), phase, severity, resonance, and the gain and the offset of the
sensor are drawn again for every window; gravity is taken away. Real machines are less tidy: this
shows the way, it does not replace a measurement.
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

SEED = 1
LABELS = ("healthy", "imbalance", "misalignment", "looseness", "bearing")
SAMPLES_PER_SECOND = 1600.0
WINDOW = 128
FULL_SCALE = 4.0  # g, the range that the sensor is set to
BALLS_PER_TURN = 3.57  # outer ring of a common deep groove ball bearing with nine balls
TRAIN_WINDOWS = 4000
TEST_WINDOWS = 500
CALIBRATION_WINDOWS = 200
EPOCHS = 15


@dataclass(frozen=True)
class Vibration:
    """Windows as float32 (n, 128, 3) in -1..1, full scale being 4 g, and their states."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def window(state: str, rng: np.random.Generator) -> np.ndarray:
    """Acceleration in g during one window: (128, 3)."""
    t = np.arange(WINDOW) / SAMPLES_PER_SECOND
    f = rng.uniform(24.0, 30.0)
    turn = 2 * np.pi * (f * t + rng.uniform(0.0, 1.0))
    severity = rng.uniform(0.15, 1.2)  # from an incipient fault to an obvious one
    x = 0.05 * np.cos(turn)
    y = 0.05 * np.sin(turn)
    z = 0.02 * np.cos(turn + rng.uniform(0, 2 * np.pi))
    if state == "imbalance":
        x += 0.5 * severity * np.cos(turn)
        y += 0.5 * severity * np.sin(turn)
    elif state == "misalignment":
        phase = rng.uniform(0, 2 * np.pi)
        x += severity * (0.35 * np.cos(2 * turn + phase) + 0.1 * np.cos(3 * turn))
        y += severity * (0.35 * np.sin(2 * turn + phase) + 0.1 * np.sin(3 * turn))
        z += severity * 0.40 * np.cos(2 * turn + phase)
    elif state == "looseness":
        phases = rng.uniform(0, 2 * np.pi, 5)
        beats = sum(
            np.cos(order * turn + phase) / order
            for order, phase in zip((0.5, 1, 1.5, 2, 3), phases, strict=True)
        )
        hits = np.maximum(beats, 0.2) - 0.2
        x += 0.2 * severity * hits
        y += 0.6 * severity * hits
    elif state == "bearing":
        ringing = np.zeros(WINDOW)
        resonance = rng.uniform(500.0, 600.0)
        damping = rng.uniform(150.0, 300.0)
        hit = -rng.uniform(0.0, 1.0) / (BALLS_PER_TURN * f)
        while hit < t[-1]:
            since = np.maximum(t - hit, 0.0)
            ringing += np.exp(-damping * since) * np.sin(2 * np.pi * resonance * since)
            hit += rng.normal(1.0, 0.02) / (BALLS_PER_TURN * f)
        x += 0.3 * severity * ringing
        y += 0.4 * severity * ringing
        z += 0.1 * severity * ringing
    signal = np.stack([x, y, z], axis=1) * rng.uniform(0.9, 1.1)
    rest = rng.normal(0.0, 0.02, 3)
    return signal + rest + rng.normal(0.0, 0.06, signal.shape)


def windows(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """As many windows of every state, as a 16-bit sensor gives them, in random order."""
    y = rng.permutation(np.arange(count) % len(LABELS))
    x = np.stack([window(LABELS[state], rng) for state in y])
    steps = np.clip(np.round(x / FULL_SCALE * 32768), -32768, 32767)
    return (steps / 32768).astype(np.float32), y


def load() -> Vibration:
    """Windows for training and for testing, from separate generators."""
    train = windows(TRAIN_WINDOWS, np.random.default_rng([SEED, 0]))
    test = windows(TEST_WINDOWS, np.random.default_rng([SEED, 1]))
    return Vibration(*train, *test)


def build() -> keras.Model:
    """Three convolutions over time, the mean over what they found, one dense layer."""
    return keras.Sequential(
        [
            keras.Input((WINDOW, 3)),
            keras.layers.Conv1D(12, 7, strides=2, padding="same", activation="relu"),
            keras.layers.Conv1D(24, 5, strides=2, padding="same", activation="relu"),
            keras.layers.Conv1D(32, 5, strides=2, padding="same", activation="relu"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(len(LABELS), activation="softmax"),
        ],
        name="vibration",
    )


def fit(data: Vibration, *, epochs: int = EPOCHS, progress: bool = False) -> keras.Model:
    """Train on the training windows."""
    keras.utils.set_random_seed(SEED)
    model = build()
    rate = keras.optimizers.schedules.CosineDecay(5e-3, epochs * -(-len(data.x_train) // 64))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    show = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print(
            f"\r  epoch {epoch + 1} of {epochs}", end="", flush=True
        ),
        on_train_end=lambda logs: print(),
    )
    model.fit(
        data.x_train,
        data.y_train,
        batch_size=64,
        epochs=epochs,
        verbose=0,
        callbacks=[show] if progress else [],
    )
    return model


def train(folder: Path, *, epochs: int = EPOCHS, progress: bool = False) -> Path:
    """Train and write everything that an export needs; the path of the model."""
    data = load()
    model = fit(data, epochs=epochs, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "vibration.keras")
    np.savez_compressed(folder / "calibration.npz", x=data.x_train[:CALIBRATION_WINDOWS])
    np.savez_compressed(folder / "test.npz", x=data.x_test, y=data.y_test)
    return folder / "vibration.keras"


if __name__ == "__main__":
    written = train(
        Path(sys.argv[1] if len(sys.argv) > 1 else "build/vibration"), progress=sys.stdout.isatty()
    )
    print(f"{written}, calibration.npz and test.npz are written.")
