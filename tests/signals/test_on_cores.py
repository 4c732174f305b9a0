"""The C of pipelines on emulated cores: every stage gives the bytes of NumPy, on 2,000 frames."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import pytest

from tests.signals.drawn_pipelines import possible_recordings
from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end
from tflm_ext.bench.pipeline_on_core import check_on_core
from tflm_ext.errors import VerificationError
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.targets import board
from tflm_ext.verify.sense import LEAST_FRAMES, drawn_recordings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"),
]

CORES = {
    "M4 -O2": ("nano33ble_sense", ("-O2",)),
    "M4 -Os": ("nano33ble_sense", ("-Os", "-mfloat-abi=hard")),
    "M4 as the board": ("nano33ble_sense", ()),
    "M0+": ("raspberry_pi_pico", ()),
    "M7": ("nucleo_f767zi", ()),
}
LOG_MEL = sense.Pipeline(
    sense.Microphone(), sense.Frames(480, 320), sense.LogMel(), sense.Stack(5, every=2)
)
PIPELINES = {
    "log_mel": LOG_MEL,
    # 1024 points: positions of two bytes, and a first pass of radix 2; bins with whole weights.
    "log_mel_1024": sense.Pipeline(
        sense.Microphone(),
        sense.Frames(514, 160),
        sense.LogMel(24, low_hz=0, high_hz=7600, pcan=None),
    ),
    "microfrontend": sense.Pipeline(
        sense.Microphone(), sense.Frames(480, 160), sense.LogMel(like="microfrontend")
    ),
    "mfcc": sense.Pipeline(
        sense.Microphone(), sense.Frames(256, 200), sense.LogMel(), sense.MFCC(), sense.Zscore()
    ),
    # float32, which the Cortex-M0+ computes without an FPU.
    "statistics": sense.Pipeline(
        sense.Motion(50),
        sense.HighPass(0.3),
        sense.Frames(64, 32),
        sense.Statistics("rms", "kurtosis", "crest", "zero_crossings"),
        sense.Zscore(),
    ),
    # Frames are short, so what is slow is the start of the emulator.
    "spectrum_int16": sense.Pipeline(
        sense.Microphone(8000), sense.Frames(150, 75), sense.Spectrum(64), sense.Zscore()
    ),
    "bands_int16": sense.Pipeline(
        sense.Analog(500, low=-1.0, channels=2),
        sense.Frames(30, 20),
        sense.Bands(bands=4, form="magnitude"),
        sense.Zscore(),
    ),
    "spectrum_float32": sense.Pipeline(
        sense.Analog(500, low=-1.0, channels=2),
        sense.Frames(40, 20),
        sense.Spectrum(32, arithmetic="float32"),
        sense.Zscore(),
    ),
    "bands_float32": sense.Pipeline(
        sense.Microphone(8000),
        sense.Frames(150, 75),
        sense.Bands(64, arithmetic="float32", form="magnitude"),
        sense.Zscore(),
    ),
    "raw": sense.Pipeline(sense.Motion(50), sense.Frames(10), sense.Raw(3, flat=True)),
    "resampled": sense.Pipeline(
        sense.Motion(119),
        sense.Resample(100),
        sense.RemoveGravity(),
        sense.Frames(20, 30),
        sense.Raw(),
    ),
    "normal": sense.Pipeline(
        sense.Microphone(),
        sense.LowPass(1500),
        sense.Decimate(4),
        sense.Frames(64),
        sense.LogMel(12, low_hz=50, high_hz=1800),
        sense.Normal(learn_windows=300),
        decide=sense.Alarm(on=5.0, average=4, needed=2, of=3, quiet_seconds=2),
    ),
}


@functools.cache
def fitted(name: str) -> sense.Pipeline:
    """The pipeline with all numbers."""
    found = PIPELINES[name]
    recordings = possible_recordings(found.source, 20_000, seed=1)
    return found if found.is_fitted else found.fitted(recordings[:3])


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", PIPELINES)
def test_bytes_of_every_stage(name: str, core: str) -> None:
    pipeline, (board_name, flags) = fitted(name), CORES[core]
    hop = pipeline.source.spec.rate / pipeline.frame_rate
    samples = math.ceil((LEAST_FRAMES + 20) * hop) + 5 * pipeline.first_window
    recordings = drawn_recordings(pipeline.source.spec, samples, seed=len(name + core))
    facts, sources = front_end("ear", pipeline)
    found = check_on_core(facts, sources, pipeline, recordings, board(board_name), flags=flags)
    assert found.frames >= LEAST_FRAMES


def test_the_first_stage_that_differs_is_named() -> None:
    facts, sources = front_end("ear", LOG_MEL)
    wrong = [changed(file, "log_mel.h", "(snr >> 6) - 64U", "(snr >> 6) - 63U") for file in sources]
    recordings = drawn_recordings(LOG_MEL.source.spec, 10_000, seed=0)
    with pytest.raises(VerificationError, match=r"stage 1 LogMel differs from NumPy"):
        check_on_core(facts, wrong, LOG_MEL, recordings, board("nano33ble_sense"))


def changed(file: RenderedFile, name: str, old: str, new: str) -> RenderedFile:
    """The file with another text, if it has this name."""
    if not file.path.endswith(name):
        return file
    text = file.content.decode()
    assert old in text
    return replace(file, content=text.replace(old, new).encode())
