"""Train an autoencoder that hears when a fan is no longer healthy.

    python examples/machine_sounds/train.py [FOLDER]

writes machine_sounds.keras, scaling.npz (keys mean and deviation, one number per mel band),
calibration.npz (key x) and test.npz (keys x and y: windows of each recording, and its state) to
FOLDER, by default build/machine_sounds. The sounds are generated, so nothing has to be downloaded:
a microphone in front of a fan with its motor, 16,000 samples per second, recordings of 2 seconds.
What is modelled, with f the frequency of the shaft:

healthy  tones of the seven blades at 7 f, 14 f, 21 f and 28 f; a little at f, 2 f and 3 f; the
         motor's hum at 100, 200 and 300 Hz and of its 28 rotor bars at 28 f +- 100 Hz, both
         stronger under load; flow noise, whose power grows with the fifth power of the speed and
         which swells a little as each blade passes
bearing  each ball that rolls over a crack in the outer ring, 3.57 times in a turn with some slip,
         rings the housing: a decaying oscillation at about 3 kHz
blade    a chipped blade sheds an additional pulse, once in a turn as wide as a blade, and its flow
         is rougher there
rubbing  the wheel touches the casing for a fifth of every turn: a burst of friction noise at 3 to
         6 kHz
leak     air hisses through a gap of some millimetres, as broad noise around 0.2 U / d, with U the
         speed of the air and d the width of the gap (a Strouhal number of 0.2)

All of it sounds through the resonances of the casing, the echoes of the room and the band of the
microphone; then the hall adds noise that falls with the frequency, and a knock now and then. There
are four fans, which differ in resonances, echoes and gains. Speed (24 to 30 turns per second, and
it wanders), load, the share of each source, the hall and the gain of the microphone are drawn again
for every recording, and so is the severity of a fault: from one that is inaudible to a clear one.
Real machines are less tidy: this shows the way, it does not replace a measurement.

The features are those of the anomaly detection of MLPerf Tiny: the power in 128 mel bands of frames
of 1,024 samples, 512 apart, in decibels; five frames in a row are one input of 640 numbers. Each
band is then standardised with its mean and its deviation over the healthy recordings for training
(scaling.npz, part of the features on a device, too) and limited to -4..4, so that the 256 steps of
int8 cover the range of the values. The autoencoder, 640-128x4-8-128x4-640 as in MLPerf Tiny, learns
from healthy recordings only. The score of a recording is its mean squared error over all windows.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

SEED = 1
FAULTS = ("bearing", "blade", "rubbing", "leak")
STATES = ("healthy", *FAULTS)

RATE = 16_000  # samples per second
SECONDS = 2
ECHO = 4000  # samples that the echoes last, heard before a recording begins
BLADES, ROTOR_BARS, BALLS_PER_TURN = 7, 28, 3.57
SEVERITY = (0.7, 4.0)  # of a fault, from one that is inaudible to a clear one

FRAME, HOP, MELS, FRAMES = 1024, 512, 128, 5
LIMIT = 4.0  # deviations

FANS = 4
TRAIN, VALIDATION, TEST = 400, 80, 200  # recordings; TEST of healthy fans and as many faulty ones
TRAIN_STEP, TEST_STEP = 3, 5  # frames between windows
CALIBRATION_WINDOWS = 400
EPOCHS = 30
BATCH = 256

_TIME = np.arange(ECHO + SECONDS * RATE) / RATE
_HERTZ = np.fft.rfftfreq(len(_TIME), 1 / RATE)


def cosine(turns: np.ndarray) -> np.ndarray:
    """cos(2 pi turns), in single precision, which is several times faster."""
    return np.cos(2 * np.pi * (turns - np.floor(turns)).astype(np.float32))


def resonance(hertz: float, quality: float) -> np.ndarray:
    """Response of a mass on a spring, 1 at its resonance."""
    ratio = _HERTZ / hertz
    return 1j * ratio / quality / (1 - ratio**2 + 1j * ratio / quality)


def filtered(signal: np.ndarray, response: np.ndarray) -> np.ndarray:
    """A signal after a response over _HERTZ; its end runs into its beginning, which is cut off."""
    return np.fft.irfft(np.fft.rfft(signal) * response, len(_TIME))


def noise(rng: np.random.Generator, response: np.ndarray) -> np.ndarray:
    """Noise of a spectrum, of power 1."""
    sound = filtered(rng.standard_normal(len(_TIME)), response)
    return sound / sound.std()


@dataclass(frozen=True)
class Fan:
    """One individual.

    Attributes:
        path: response from the sources to the microphone: casing, room, microphone.
        room: that of the room alone, through which the hall's noise comes.
        flow: spectrum of the flow noise.
        blade, shaft, hum: amplitudes of the harmonics.
        housing: resonance that a bearing rings, Hz.
    """

    path: np.ndarray
    room: np.ndarray
    flow: np.ndarray
    blade: np.ndarray
    shaft: np.ndarray
    hum: np.ndarray
    housing: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Another one of the same type."""
        casing = 0.3 + sum(
            rng.uniform(0.5, 1.5) * resonance(hertz * rng.uniform(0.93, 1.07), rng.uniform(4, 12))
            for hertz in (180, 420, 900, 1700, 3100, 5200)
        )
        echoes = np.zeros(len(_TIME))
        decay = np.exp(-_TIME[:ECHO] * 6.9 / rng.uniform(0.2, 0.3))  # seconds to reach -60 dB
        echoes[:ECHO] = 0.04 * rng.standard_normal(ECHO) * decay
        echoes[0] = 1.0
        room = np.fft.rfft(echoes)
        microphone = 1 / ((1 - 60j / np.maximum(_HERTZ, 1)) * (1 + 1j * _HERTZ / 7000))
        return cls(
            path=casing * room * microphone,
            room=room * microphone,
            flow=1 / (1 + _HERTZ / rng.uniform(800, 1200)),
            blade=rng.uniform(0.7, 1.3, 4) / np.arange(1, 5),
            shaft=rng.uniform(0.05, 0.15, 3),
            hum=rng.uniform(0.5, 1.5, 4) * (0.5, 0.2, 0.1, 0.1),
            housing=rng.uniform(2800, 3300),
        )


def fault(
    state: str, fan: Fan, turns: np.ndarray, severity: float, rng: np.random.Generator
) -> np.ndarray:
    """What a fault adds at its source; the flow noise has power 1 at middle speed."""
    position = turns % 1
    if state == "bearing":
        hits = np.zeros(len(_TIME))
        passing = np.floor(BALLS_PER_TURN * turns + rng.uniform())
        (at,) = np.nonzero(np.diff(passing, prepend=passing[0]))
        slip = rng.normal(0, 0.02 / (BALLS_PER_TURN * 27) * RATE, len(at))
        np.add.at(hits, (at + slip.astype(int)) % len(hits), rng.normal(1, 0.2, len(at)))
        damping = rng.uniform(500, 900)
        ringing = np.exp(-damping * _TIME) * np.sin(2 * np.pi * fan.housing * _TIME)
        return severity * filtered(hits, np.fft.rfft(ringing))
    if state == "blade":
        pulse = np.exp(-(((position - 0.5) * 2 * BLADES) ** 2))
        rough = noise(rng, fan.flow * _HERTZ / (_HERTZ + 500))
        return 1.8 * severity * (pulse - pulse.mean() + 0.8 * pulse * rough)
    if state == "rubbing":
        contact = np.maximum(cosine(turns) - 0.8, 0) / 0.2
        return 0.75 * severity * contact * noise(rng, resonance(rng.uniform(3000, 6000), 2))
    speed, width = rng.uniform(20, 30), rng.uniform(1e-3, 3e-3)  # m/s and m
    return 0.3 * severity * noise(rng, resonance(0.2 * speed / width, 1.5))


def recording(state: str, fan: Fan, rng: np.random.Generator) -> np.ndarray:
    """Sound pressure at the microphone, full scale 1: (32000,)."""
    speed, load = rng.uniform(24, 30), rng.uniform(0.5, 1.0)
    wander = sum(0.002 * cosine(hertz * _TIME + rng.uniform()) for hertz in rng.uniform(0.2, 2, 3))
    turns = np.cumsum(speed * (1 + wander)) / RATE + rng.uniform()

    def tone(order: float, hertz: float = 0.0) -> np.ndarray:
        return cosine(order * turns + hertz * _TIME + rng.uniform())

    def decibels(spread: float) -> float:
        return float(10 ** (rng.normal(0, spread) / 20))

    flow = noise(rng, fan.flow) * (1 + 0.2 * tone(BLADES))
    blades = sum(a * tone(BLADES * n) for n, a in enumerate(fan.blade, 1))
    shaft = sum(a * tone(n) for n, a in enumerate(fan.shaft, 1))
    hum = sum(a * tone(0, 100 * n) for n, a in enumerate(fan.hum[:3], 1))
    bars = fan.hum[3] * (tone(ROTOR_BARS, 100) + tone(ROTOR_BARS, -100))
    source = (speed / 27) ** 2.5 * (decibels(1) * flow + decibels(1.5) * load * blades)
    source += decibels(1.5) * shaft + decibels(1) * load * (hum + bars)
    if state != "healthy":
        source += fault(state, fan, turns, np.exp(rng.uniform(*np.log(SEVERITY))), rng)
    sound = filtered(source, fan.path)
    hall = noise(rng, fan.room / (1 + _HERTZ / 100) ** rng.uniform(0.5, 0.9))
    sound += 10 ** (rng.uniform(-18, -8) / 20) * hall
    for start in rng.uniform(0, _TIME[-1], rng.poisson(0.5 * SECONDS)):
        since = np.maximum(_TIME - start, 0)
        decay = np.exp(-rng.uniform(30, 100) * since)
        sound += rng.exponential(0.3) * decay * cosine(rng.uniform(200, 2000) * since - 0.25)
    sound = 0.05 * decibels(1.5) * sound[ECHO:] + rng.normal(0, 1e-4, SECONDS * RATE)
    return np.clip(np.round(sound * 32768), -32768, 32767) / 32768


def mel_filters() -> np.ndarray:
    """Triangles over the bins of a frame, equally wide on the mel scale: (513, 128).

    The scale is that of Slaney's Auditory Toolbox, linear up to 1 kHz and logarithmic from there.
    """

    def mel(hertz: np.ndarray) -> np.ndarray:
        return np.where(
            hertz < 1000, hertz * 0.015, 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4)
        )

    bins = mel(np.fft.rfftfreq(FRAME, 1 / RATE))
    edges = np.linspace(0, mel(np.array(RATE / 2)), MELS + 2)
    width = edges[1] - edges[0]
    triangles = np.maximum(1 - np.abs(bins[:, np.newaxis] - edges[1:-1]) / width, 0)
    return triangles / triangles.sum(axis=0)


_MEL_FILTERS = mel_filters()
_HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)


def log_mel(sound: np.ndarray) -> np.ndarray:
    """Power in decibels: (frames, 128), 61 frames for 2 seconds."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * _HANN)) ** 2 @ _MEL_FILTERS
    return 10 * np.log10(power + 1e-10)


@dataclass(frozen=True)
class Scaling:
    """What standardises the mel bands; (128,) each, in decibels."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, spectra: np.ndarray) -> Self:
        """That of healthy recordings: (recordings, frames, 128)."""
        return cls(spectra.mean(axis=(0, 1)), spectra.std(axis=(0, 1)))

    def windows(self, spectra: np.ndarray, step: int) -> np.ndarray:
        """Inputs of the autoencoder, `step` frames apart: (recordings, windows, 640) float32."""
        scaled = np.clip((spectra - self.mean) / self.deviation, -LIMIT, LIMIT)
        views = np.lib.stride_tricks.sliding_window_view(scaled, FRAMES, axis=1)[:, ::step]
        return views.swapaxes(2, 3).reshape(*views.shape[:2], -1).astype(np.float32)


@dataclass(frozen=True)
class Sounds:
    """Windows as float32 (recordings, windows, 640), and the states of the test recordings."""

    x_train: np.ndarray
    x_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    scaling: Scaling


def spectra(states: np.ndarray, fans: list[Fan], rng: np.random.Generator) -> np.ndarray:
    """One recording per state, of one fan after the other: (recordings, frames, 128)."""
    return np.stack(
        [
            log_mel(recording(STATES[state], fans[i % len(fans)], rng))
            for i, state in enumerate(states)
        ]
    )


def load(seed: int = SEED) -> Sounds:
    """Recordings of the same fans for each purpose, from separate generators."""
    fans = [Fan.draw(np.random.default_rng([seed, 0, number])) for number in range(FANS)]
    y_test = np.concatenate([np.zeros(TEST, int), np.arange(TEST) // (TEST // len(FAULTS)) + 1])
    train, validation, test = (
        spectra(states, fans, np.random.default_rng([seed, purpose]))
        for purpose, states in enumerate(
            (np.zeros(TRAIN, int), np.zeros(VALIDATION, int), y_test), 1
        )
    )
    scaling = Scaling.of(train)
    return Sounds(
        scaling.windows(train, TRAIN_STEP),
        scaling.windows(validation, TEST_STEP),
        scaling.windows(test, TEST_STEP),
        y_test,
        scaling,
    )


def build(hidden: tuple[int, ...] = (128, 128, 128, 128, 8, 128, 128, 128, 128)) -> keras.Model:
    """Dense layers of these widths with BatchNormalization and relu, then a dense one of 640."""
    layers: list[keras.layers.Layer] = [keras.Input((FRAMES * MELS,))]
    for width in hidden:
        layers += [
            keras.layers.Dense(width),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    return keras.Sequential([*layers, keras.layers.Dense(FRAMES * MELS)], name="machine_sounds")


def fit(model: keras.Model, x: np.ndarray, *, epochs: int = EPOCHS, progress: bool = False) -> None:
    """Train on healthy windows, (recordings, windows, 640)."""
    x = x.reshape(-1, x.shape[-1])
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // BATCH))
    model.compile(keras.optimizers.Adam(rate), "mean_squared_error")
    show = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: print(
            f"\r  epoch {epoch + 1} of {epochs}", end="", flush=True
        ),
        on_train_end=lambda logs: print(),
    )
    model.fit(
        x, x, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[show] if progress else []
    )


def scores(x: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """The mean squared error of each recording; both are (recordings, windows, 640)."""
    return np.mean((x - reconstructed.reshape(x.shape)) ** 2, axis=(1, 2))


def auc(score: np.ndarray, state: np.ndarray) -> float:
    """The share of pairs of a healthy and a faulty recording that the scores put in order."""
    above = score[state > 0, np.newaxis] - score[state == 0]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def calibration(data: Sounds) -> np.ndarray:
    """Some windows for training, spread over the recordings: (400, 640)."""
    x = data.x_train.reshape(-1, FRAMES * MELS)
    return x[:: len(x) // CALIBRATION_WINDOWS][:CALIBRATION_WINDOWS]


def train(folder: Path, *, epochs: int = EPOCHS, progress: bool = False) -> Path:
    """Train and write everything that an export needs; the path of the model."""
    data = load()
    keras.utils.set_random_seed(SEED)
    model = build()
    fit(model, data.x_train, epochs=epochs, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "machine_sounds.keras")
    np.savez(folder / "scaling.npz", mean=data.scaling.mean, deviation=data.scaling.deviation)
    np.savez_compressed(folder / "calibration.npz", x=calibration(data))
    np.savez_compressed(folder / "test.npz", x=data.x_test, y=data.y_test)
    return folder / "machine_sounds.keras"


if __name__ == "__main__":
    written = train(
        Path(sys.argv[1] if len(sys.argv) > 1 else "build/machine_sounds"),
        progress=sys.stdout.isatty(),
    )
    print(f"{written}, scaling.npz, calibration.npz and test.npz are written.")
