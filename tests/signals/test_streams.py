"""Pipelines with several stages of streams: their C gives the bytes of NumPy after every stage."""

from __future__ import annotations

import pytest

from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end
from tflm_ext.bench.pipeline_on_core import check_on_core
from tflm_ext.targets import board
from tflm_ext.verify.sense import check_sense, drawn_recordings

PIPELINES = {
    "two of a kind, one of them in float32": sense.Pipeline(
        sense.Microphone(8000),
        sense.HighPass(30),
        sense.LowPass(3000, 4, arithmetic="float32"),
        sense.LowPass(2000, 3),
        sense.Frames(64),
        sense.LogMel(12, high_hz=3900),
    ),
    # Between the two, there are three times as many samples as before and after them.
    "up and down": sense.Pipeline(
        sense.Microphone(8000, channels=1),
        sense.Resample(24_000),
        sense.Decimate(3),
        sense.Decimate(2),
        sense.Frames(64, 100),
        sense.LogMel(10, high_hz=1900),
    ),
}
MOTION = sense.Pipeline(
    sense.Motion("119"),
    sense.RemoveGravity(),
    sense.Resample(100),
    sense.Biquad([(0.1, 0.0, -0.1, 2.0, -3.2, 1.6), (0.99, 0.0, 0.99, 1.0, 0.0, 0.98)]),
    sense.HighPass(0.3, arithmetic="float32"),
    sense.Frames(50, 25),
    sense.Raw(),
)


def samples_for(pipeline: sense.Pipeline) -> int:
    """Of five recordings, each with some windows after the warm-up."""
    return 5 * (pipeline.first_window + 1000)


@pytest.mark.parametrize("name", [*PIPELINES, "motion"])
def test_on_this_computer(name: str) -> None:
    pipeline = PIPELINES.get(name, MOTION)
    facts, sources = front_end("ear", pipeline)
    recordings = drawn_recordings(pipeline.source.spec, samples_for(pipeline), seed=len(name))
    assert check_sense(facts, sources, pipeline, recordings).frames > 0


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
@pytest.mark.parametrize("name", [*PIPELINES, "motion"])
@pytest.mark.parametrize(
    ("board_name", "flags"),
    [
        ("nano33ble_sense", ("-O2", "-mfloat-abi=hard")),
        ("nano33ble_sense", ()),
        ("raspberry_pi_pico", ()),
    ],
)
def test_on_emulated_cores(name: str, board_name: str, flags: tuple[str, ...]) -> None:
    pipeline = PIPELINES.get(name, MOTION)
    facts, sources = front_end("ear", pipeline)
    seed = len(name + board_name)
    recordings = drawn_recordings(pipeline.source.spec, samples_for(pipeline), seed=seed)
    found = check_on_core(facts, sources, pipeline, recordings, board(board_name), flags=flags)
    assert found.frames > 0
