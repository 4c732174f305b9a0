"""Every function of the log-mel front end, and the whole, give the bits of TFLM's interpreter."""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import platform
from pathlib import Path

import numpy as np
import pytest

from tests.signals.drawing import drawn_block, drawn_sound, drawn_subtraction
from tests.signals.tflm_models import Tflm, chain, hann, single, subtraction_options
from tflm_ext.arithmetic import signals as arithmetic
from tflm_ext.arithmetic.log1p import log1p
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Frames, LogMel, Microphone, Pcan, Pipeline, Subtraction
from tflm_ext.signals.log_mel_block import LogMelBlock, amplified, subtracted
from tflm_ext.signals.mel import gain_fits, gain_table
from tflm_ext.signals.stage import Array

PREPROCESSOR = Path(
    __file__, "../../../../shared/models/more/audio_preprocessor_int8.tflite"
).resolve()
LOG1P_SHA256 = "d1b59c9b120cf728e2c064415262983dfaa94a33a509df8240a9c8fa9bd25828"


def uint32s(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Of every number of bits, and the edges."""
    found = random.integers(0, 2**32, shape) >> random.integers(0, 32, shape)
    edges = random.choice([0, 1, 2, 3, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1], shape)
    return np.where(random.random(shape) < 0.1, edges, found).astype(np.uint32)


def sound(random: np.random.Generator, frames: int, length: int) -> Array:
    return drawn_sound(random, frames * length).reshape(frames, length)


@pytest.mark.parametrize("length", [2, 30, 480, 1024])
def test_window(length: int) -> None:
    frames = sound(np.random.default_rng(length), 100, length)
    tflm = single(
        "SignalWindow", [(length, "int16"), hann(length)], [(length, "int16")], {"shift": 12}
    )
    np.testing.assert_array_equal(
        arithmetic.apply_window(frames, hann(length), 12), tflm(frames)[0]
    )


@pytest.mark.parametrize("shift", [0, 3, 12])
def test_window_that_saturates(shift: int) -> None:
    random = np.random.default_rng(shift)
    weights = random.integers(-32768, 32768, 64).astype(np.int16)
    frames = random.integers(-32768, 32768, (200, 64)).astype(np.int16)
    tflm = single("SignalWindow", [(64, "int16"), weights], [(64, "int16")], {"shift": shift})
    np.testing.assert_array_equal(arithmetic.apply_window(frames, weights, shift), tflm(frames)[0])


def test_scale() -> None:
    random = np.random.default_rng(0)
    frames = np.concatenate(
        [
            sound(random, 1000, 20),
            random.choice([-32768, -1, 0, 1, 5, 32767], (1000, 20)),
            np.where(random.random((500, 20)) < 0.1, -32768, random.integers(-9, 9, (500, 20))),
        ]
    ).astype(np.int16)
    tflm = single("SignalFftAutoScale", [(20, "int16")], [(20, "int16"), (0, "int32")])
    scaled, bits = tflm(frames)
    found = arithmetic.scale_bits(frames.astype(np.int64))
    np.testing.assert_array_equal(found, bits)
    np.testing.assert_array_equal(
        arithmetic.wrap16(frames.astype(np.int64) << found[:, np.newaxis]), scaled
    )


@pytest.mark.parametrize("points", [64, 128, 256, 512, 1024])
def test_transform(points: int) -> None:
    """Full-scale frames, whose sums wrap, too."""
    random = np.random.default_rng(points)
    frames = np.concatenate(
        [
            sound(random, 200, points),
            random.choice([-32768, 32767], (100, points)),
            random.integers(-32768, 32768, (100, points)),
        ]
    ).astype(np.int16)
    options = {"T": 7, "fft_length": points}
    tflm = single("SignalRfft", [(points, "int16")], [(points + 2, "int16")], options)
    real, imaginary = arithmetic.rfft(frames)
    np.testing.assert_array_equal(np.stack([real, imaginary], 2).reshape(400, -1), tflm(frames)[0])


def test_energy() -> None:
    random = np.random.default_rng(0)
    parts = random.integers(-32768, 32768, (1000, 32)).astype(np.int16)
    parts[:500] = random.choice([-32768, -1, 0, 1, 32767], (500, 32))
    tflm = single(
        "SignalEnergy", [(32, "int16")], [(16, "uint32")], {"start_index": 0, "end_index": 16}
    )
    real, imaginary = parts[:, 0::2].astype(np.int64), parts[:, 1::2].astype(np.int64)
    np.testing.assert_array_equal(arithmetic.energy(real, imaginary), tflm(parts)[0])


def test_square_root() -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 2**64, (3000, 16), np.uint64)
    values >>= random.integers(0, 64, values.shape).astype(np.uint64)
    root = random.integers(0, 2**32, (1000, 16)).astype(np.uint64)
    near = root * root + random.integers(0, 3, root.shape).astype(np.uint64)
    half = near + root - np.uint64(1)
    limits = np.array([0, 1, 2, 3, 2**32 - 1, 2**32, 2**32 - 2**16, 2**64 - 1], np.uint64)
    values = np.concatenate([values, near, half, np.tile(limits, 2)[np.newaxis]])
    shifts = random.integers(0, 16, len(values)).astype(np.int32)
    tflm = single("SignalFilterBankSquareRoot", [(16, "uint64"), (0, "int32")], [(16, "uint32")])
    found = arithmetic.square_root(values) >> shifts.astype(np.uint64)[:, np.newaxis]
    np.testing.assert_array_equal(found, tflm(values, shifts)[0])


@pytest.mark.parametrize("seed", range(8))
def test_subtraction(seed: int) -> None:
    random = np.random.default_rng(seed)
    options = drawn_subtraction(random) if seed else Subtraction()
    bands = uint32s(random, (300, 7))
    tflm = single(
        "SignalFilterBankSpectralSubtraction",
        [(7, "uint32")],
        [(7, "uint32")] * 2,
        subtraction_options(options, 7),
    )
    rest, noise = tflm(bands)
    found = subtracted(bands.astype(np.int64), np.zeros(7, np.int64), options, options.weights())
    np.testing.assert_array_equal(found[0], rest)
    np.testing.assert_array_equal(found[1], noise)


@pytest.mark.parametrize("seed", range(8))
def test_gain(seed: int) -> None:
    random = np.random.default_rng(seed)
    gain = gain_table(0.95, 80.0, 7, 21)
    while seed and not gain_fits(
        gain := gain_table(
            random.uniform(0, 4),
            10 ** random.uniform(-3, 6),
            int(random.integers(0, 17)),
            int(random.integers(13, 31)),
        )
    ):
        pass
    shift = int(random.integers(1, 19)) if seed else 6
    bands, noise = uint32s(random, (300, 9)), uint32s(random, (300, 9))
    tflm = single(
        "SignalPCAN",
        [(9, "uint32"), (9, "uint32"), gain.astype(np.int16)],
        [(9, "uint32")],
        {"snr_shift": shift},
    )
    found = amplified(bands.astype(np.int64), noise.astype(np.int64), gain, shift)
    np.testing.assert_array_equal(found, tflm(bands, noise)[0])


@pytest.mark.parametrize("log_bits", [0, 6, 10])
@pytest.mark.parametrize("correction", [0, 4])
def test_logarithm(log_bits: int, correction: int) -> None:
    random = np.random.default_rng(log_bits)
    bands = uint32s(random, (500, 32))
    bands[:60] = np.arange(60 * 32).reshape(60, 32)
    options = {"input_correction_bits": correction, "output_scale": 1 << log_bits}
    tflm = single("SignalFilterBankLog", [(32, "uint32")], [(32, "int16")], options)
    block = bound(Frames(64 << correction), LogMel(bands=8, log_bits=log_bits, high_hz=7000))
    assert block.correction_bits == correction
    np.testing.assert_array_equal(block.logarithm(bands.astype(np.int64)), tflm(bands)[0])


def bound(frames: Frames, stage: LogMel, rate: int = 16_000) -> LogMelBlock:
    return stage.bind(frames.bind(Microphone(rate).spec).out)


# ---------------------------------------------------------------- the whole


def assert_equal_to_tflm(block: LogMelBlock, tflm: Tflm, frames: Array) -> None:
    found, _ = block.run(frames[:, :, np.newaxis], block.start())
    np.testing.assert_array_equal(found, tflm(frames)[0], str(block.stage))


@pytest.mark.parametrize("points", [64, 128, 256, 512, 1024])
def test_drawn_front_ends(points: int) -> None:
    random = np.random.default_rng(points)
    for _ in range(4):
        block, rate = drawn_block(random, points)
        assert block.points == points
        length = block.source.shape[0]
        assert_equal_to_tflm(block, chain(block, rate), sound(random, 100, length))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_many_drawn_front_ends(seed: int) -> None:
    """20 settings with 400 frames each."""
    random = np.random.default_rng(1000 + seed)
    for _ in range(20):
        block, rate = drawn_block(random)
        length = block.source.shape[0]
        assert_equal_to_tflm(block, chain(block, rate), sound(random, 400, length))


@pytest.mark.parametrize("seed", range(3))
def test_results_between_the_operators(seed: int) -> None:
    random = np.random.default_rng(seed)
    block, rate = drawn_block(random, subtraction=Subtraction(), pcan=None)
    frames = sound(random, 60, block.source.shape[0])
    windowed, scaled, bits, _, _, roots, rest, noise, _ = chain(block, rate, inner=True)(frames)
    own = arithmetic.apply_window(frames, block.window, 12)
    np.testing.assert_array_equal(own, windowed)
    np.testing.assert_array_equal(arithmetic.scale_bits(own), bits)
    np.testing.assert_array_equal(arithmetic.wrap16(own << bits[:, np.newaxis]), scaled)
    found = block.magnitudes(frames, block.start())
    np.testing.assert_array_equal(found[0], rest)
    np.testing.assert_array_equal(found[1], noise)
    kept = LogMel(block.stage.bands, subtraction=None, pcan=None)
    plain = LogMelBlock(block.source, kept, block.points, block.bank)
    np.testing.assert_array_equal(plain.magnitudes(frames, ())[0], roots)


def test_audio_preprocessor() -> None:
    """The int8 front end that TFLM's keyword models are trained with."""
    random = np.random.default_rng(0)
    pipeline = Pipeline(Microphone(16_000), Frames(480), LogMel())
    samples = drawn_sound(random, 480 * 1500)
    found = pipeline.quantized(samples)
    block = pipeline.blocks[1]
    assert isinstance(block, LogMelBlock)
    if PREPROCESSOR.exists():
        tflm = Tflm(PREPROCESSOR.read_bytes())
        (expected,) = tflm(samples.reshape(-1, 1, 480))
    else:
        (logarithms,) = chain(block, 16_000)(samples.reshape(-1, 480))
        scaled = (logarithms.astype(np.int32) * 256 + 333) // 666 - 128
        expected = np.clip(scaled, -128, 127).astype(np.int8)
    np.testing.assert_array_equal(found, expected)


# ---------------------------------------------------------------- tables


def test_log1p_is_that_of_the_c_library() -> None:
    """Of one with the function of msun: glibc from 2.41 on rounds correctly."""
    values = np.arange(0, 100_000, 7).astype(np.float32) / np.float32(700)
    found = log1p(values)
    assert hashlib.sha256(found.tobytes()).hexdigest() == LOG1P_SHA256
    name, version = platform.libc_ver()
    if name == "glibc" and tuple(map(int, version.split("."))) < (2, 41):
        function = ctypes.CDLL(ctypes.util.find_library("m")).log1pf
        function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
        np.testing.assert_array_equal(found, np.float32([function(value) for value in values]))


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("frames", "stage", "problem"),
    [
        (1024, LogMel(subtraction=Subtraction(smoothing_bits=3)), "fraction bits or more"),
        (480, LogMel(pcan=Pcan(gain_bits=15)), "16 fraction bits or more"),
        (480, LogMel(pcan=Pcan(strength=2.0, offset=1.0)), "falls too fast"),
        (64, LogMel(low_hz=7000.0, high_hz=7010.0), "No bin"),
        (480, LogMel(high_hz=8000.0), "need a rate above"),
        (480, LogMel(low_hz=9000.0, high_hz=9001.0), "need a rate above"),
        (2, LogMel(), None),
        (1026, LogMel(), "frames of 2 to 1024"),
        (481, LogMel(), "even length"),
        (1024, LogMel(subtraction=Subtraction(smoothing_bits=4)), None),
        (480, LogMel(pcan=Pcan(gain_bits=16)), None),
        (1024, LogMel(subtraction=Subtraction(smoothing_bits=0), pcan=None), None),
    ],
)
def test_options_that_tflm_does_not_define(frames: int, stage: LogMel, problem: str | None) -> None:
    if problem is None:
        bound(Frames(frames), stage)
        return
    with pytest.raises(ConfigError, match=problem) as error:
        bound(Frames(frames), stage)
    assert error.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"subtraction": "yes"},
        {"pcan": 1},
        {"pcan": Subtraction()},
        {"subtraction": None},
        {"bands": 0},
        {"bands": 129},
        {"bands": True},
        {"low_hz": 8000.0},
        {"low_hz": float("nan")},
        {"log_bits": 11},
        {"log_bits": 2.0},
        {"top": 0},
        {"like": "tensorflow"},
    ],
)
def test_options_of_log_mel(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        LogMel(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"smoothing": -0.1},
        {"smoothing": 1.1},
        {"alternate_smoothing": float("inf")},
        {"min_signal_remaining": 2},
        {"smoothing_bits": 17},
        {"bits": 0},
        {"bits": 15},
        {"clamping": 1},
    ],
)
def test_options_of_the_subtraction(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Subtraction(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"strength": -1}, {"offset": 0}, {"gain_bits": 31}])
def test_options_of_the_gain(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Pcan(**options)  # type: ignore[arg-type]
