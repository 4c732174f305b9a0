"""Train a small network that hears two words, "start" and "stop", in any stream of sound.

    python examples/keyword/train.py [FOLDER]

writes keyword.keras, pipeline.json, calibration.npz (key x), test.npz (keys x and y) and words.wav
to FOLDER, by default build/keyword, in about five minutes. The words are spoken by eSpeak NG, which
has to be installed (Debian: espeak-ng); nothing is downloaded. Three dialects with many voices each
say the two words, words that sound like them, and others, at different speeds and pitches, over
noise from silent to a third of the voice.

These are synthetic voices: a network that hears all of them does not hear all people. It shows the
way; for a product, record people, rooms and microphones that are like those of the product.

A network that runs on a device never sees a word alone: it sees windows of a stream, most of which
contain nothing, or half a word. So it is trained with streams, too. A word has been said if 90 % of
it are in the window, and it has not if less than half is; windows with a share between these are
left out.
"""

from __future__ import annotations

import functools
import io
import os
import subprocess
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

from tflm_ext import sense

SEED = 1
RATE = 16_000
LABELS = ("other", "start", "stop")
SIMILAR = ("star", "stark", "art", "stock", "step", "top", "stoop", "stand", "store", "shop")
OTHERS = (
    *("yes", "no", "go", "left", "right", "up", "down", "hello", "music", "window", "seven"),
    *("the weather is fine today", "turn the light on please", "where is the kitchen"),
)
DIALECTS = ("en-us", "en-gb", "en-gb-scotland")
VOICES = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "f4"),
    *("adam", "Alex", "Andrea", "Annie", "antonio", "aunty", "belinda", "benjamin", "boris"),
    *("caleb", "david", "Denis", "Diogo", "ed", "edward", "Gene", "gustave", "Henrique", "Hugo"),
    *("iven", "Jacky", "john", "kaukovalta", "linda", "marcelo", "Marco", "Mario", "max"),
    *("Michael", "michel", "miguel", "Mike", "Nguyen", "pablo", "paul", "pedro", "quincy", "rob"),
    *("sandro", "shelby", "steph", "travis", "victor", "zac"),
)
UNSEEN_DIALECTS = ("en-gb-x-rp", "en-us-nyc")
UNSEEN_VOICES = ("m7", "m8", "f5", "Alicia", "Andy", "Lee", "robert", "steph2")
STREAM_SECONDS = 24
TRAIN_STREAMS = 400
TEST_STREAMS = 40
CALIBRATION_WINDOWS = 200
EPOCHS = 10

PIPELINE = sense.Pipeline(
    sense.Microphone(RATE),
    sense.Frames(480, hop=320),
    sense.LogMel(40),
    sense.Stack(49, every=5),
    decide=sense.Detect(average=2, needed=2, of=4, quiet_seconds=0.3, on=0.7, background=0),
)


@dataclass(frozen=True)
class Stream:
    """Sound with words in it.

    Attributes:
        samples: (n,), int16.
        words: of LABELS that are not "other": number of the label, first and last sample.
    """

    samples: np.ndarray
    words: tuple[tuple[int, int, int], ...]


# ---------------------------------------------------------------- sound


@functools.cache
def said(text: str, voice: str, speed: int, pitch: int) -> np.ndarray:
    """Return what a voice says, float, at most 1, without the silence around it."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(1 << 24), "<i2") / 32768
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    # Another rate: the same spectrum, with fewer or more frequencies.
    count = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)[: count // 2 + 1]
    found = np.fft.irfft(spectrum, count)
    return found / np.abs(found).max()


def noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise of one of several colours, with a mean square of 1."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    frequency = np.maximum(np.arange(len(spectrum)), 20 * count / RATE)
    found = np.fft.irfft(spectrum / frequency ** rng.uniform(0, 1), count)
    if rng.random() < 0.3:  # hum of the mains and of motors
        time = np.arange(count) / RATE
        found += found.std() * np.sin(2 * np.pi * rng.uniform(45, 400) * time)
    return found / found.std()


def stream(rng: np.random.Generator, unseen: bool) -> Stream:
    """Return noise with words at random times; `unseen` voices are only for tests."""
    count = STREAM_SECONDS * RATE
    samples = np.zeros(count)
    words, at = [], int(rng.uniform(0.5, 2.5) * RATE)
    loudness = 10 ** rng.uniform(-1.5, -0.1)
    while True:
        kind = rng.random()
        label = int(rng.integers(1, len(LABELS))) if kind < 0.45 else 0
        text = LABELS[label] if label else str(rng.choice(SIMILAR if kind < 0.75 else OTHERS))
        dialect = rng.choice(UNSEEN_DIALECTS if unseen else DIALECTS)
        voice = rng.choice(UNSEEN_VOICES if unseen else VOICES)
        # Steps, so that few are spoken twice, but not too many in all.
        speed, pitch = (
            int(rng.choice((115, 135, 155, 175, 195))),
            int(rng.choice((15, 35, 50, 65, 85))),
        )
        spoken = said(text, f"{dialect}+{voice}", speed, pitch)
        # A longer or shorter throat: no two speakers are the same.
        places = np.arange(0, len(spoken) - 1, rng.uniform(0.83, 1.18))
        spoken = np.interp(places, np.arange(len(spoken)), spoken)
        if at + len(spoken) >= count:
            break
        samples[at : at + len(spoken)] += loudness * rng.uniform(0.6, 1) * spoken
        if label:
            words.append((label, at, at + len(spoken)))
        at += len(spoken) + int(rng.uniform(0.3, 2.5) * RATE)
    samples += loudness * 10 ** rng.uniform(-2.5, -1.1) * noise(count, rng)
    return Stream(np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16), tuple(words))


def streams(count: int, seed: int, unseen: bool = False) -> list[Stream]:
    """Return streams from a seed."""
    return [stream(np.random.default_rng([SEED, seed, i]), unseen) for i in range(count)]


# ---------------------------------------------------------------- windows


def windows(own: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of a stream's windows, and their labels; see the top of this file."""
    x = PIPELINE.features(own.samples)
    ends = np.rint(PIPELINE.window_ends(len(x)) * RATE).astype(int)
    starts = ends - PIPELINE.window
    y = np.zeros(len(x), int)
    clear = np.ones(len(x), bool)
    for label, first, last in own.words:
        share = (np.minimum(ends, last) - np.maximum(starts, first)) / (last - first)
        y[share >= 0.9] = label
        clear &= (share >= 0.9) | (share < 0.5)
    return x[clear], y[clear]


def dataset(given: list[Stream], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of streams, with no more than four times as many others as words."""
    pairs = [windows(own) for own in given]
    x, y = (np.concatenate(part) for part in zip(*pairs, strict=True))
    others = rng.permutation(np.flatnonzero(y == 0))[: 4 * int((y > 0).sum())]
    kept = rng.permutation(np.concatenate([np.flatnonzero(y > 0), others]))
    return x[kept], y[kept]


# ---------------------------------------------------------------- network


def build() -> keras.Model:
    """One convolution over time and frequency, and depthwise separable ones after it."""
    layers = [
        keras.Input(PIPELINE.out.shape),
        keras.layers.Reshape((*PIPELINE.out.shape, 1)),
        keras.layers.Conv2D(24, (10, 4), (2, 2), "same", use_bias=False),
    ]
    for filters, stride in ((32, 2), (48, 1), (64, 2)):
        layers += [
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.DepthwiseConv2D(3, stride, "same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Conv2D(filters, 1, use_bias=False),
        ]
    layers += [
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(len(LABELS), activation="softmax"),
    ]
    return keras.Sequential(layers, name="keyword")


def fit(x: np.ndarray, y: np.ndarray, *, epochs: int, progress: bool) -> keras.Model:
    """Train on windows."""
    keras.utils.set_random_seed(SEED)
    model = build()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-len(x) // 64))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=2 if progress else 0)
    return model


# ---------------------------------------------------------------- all together


def train(folder: Path, *, progress: bool = False) -> Path:
    """Train and write everything that an export needs; the path of the model."""
    rng = np.random.default_rng(SEED)
    x, y = dataset(streams(TRAIN_STREAMS, 0), rng)
    model = fit(x, y, epochs=EPOCHS, progress=progress)
    unseen = streams(TEST_STREAMS, 1, unseen=True)
    x_test, y_test = dataset(unseen, rng)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "keyword.keras")
    (folder / "pipeline.json").write_text(PIPELINE.to_json(), "utf-8")
    np.savez_compressed(folder / "calibration.npz", x=x[:CALIBRATION_WINDOWS])
    np.savez_compressed(folder / "test.npz", x=x_test[:300], y=y_test[:300])
    with wave.open(str(folder / "words.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(unseen[3].samples[: 6 * RATE].tobytes())  # "stop", "start"
    return folder / "keyword.keras"


if __name__ == "__main__":
    written = train(
        Path(sys.argv[1] if len(sys.argv) > 1 else "build/keyword"), progress=sys.stdout.isatty()
    )
    print(f"{written}, pipeline.json, calibration.npz, test.npz and words.wav are written.")
