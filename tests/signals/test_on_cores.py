"""The C of pipelines on emulated cores: every stage gives the bytes of NumPy, on 2,000 frames."""

from __future__ import annotations

from dataclasses import replace

import pytest

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

PIPELINES = {
    "log_mel": sense.Pipeline(
        sense.Microphone(), sense.Frames(480, 320), sense.LogMel(), sense.Stack(5, every=2)
    ),
    # 1024 points: positions of two bytes, and a first pass of radix 4; bins with whole weights.
    "log_mel_1024": sense.Pipeline(
        sense.Microphone(),
        sense.Frames(514, 160),
        sense.LogMel(24, low_hz=0, high_hz=7600, pcan=None),
    ),
}
CORES = {
    "M4 -O2": ("nano33ble_sense", ("-O2",)),
    "M4 -Os": ("nano33ble_sense", ("-Os", "-mfloat-abi=hard")),
    "M4 as the board": ("nano33ble_sense", ()),
    "M0+": ("raspberry_pi_pico", ()),
    "M7": ("nucleo_f767zi", ()),
}


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", PIPELINES)
def test_bytes_of_every_stage(name: str, core: str) -> None:
    pipeline, (board_name, flags) = PIPELINES[name], CORES[core]
    hop = int(pipeline.source.spec.rate / pipeline.frame_rate)
    samples = (LEAST_FRAMES + 20) * hop + pipeline.window
    recordings = drawn_recordings(pipeline.source.spec, samples, seed=len(name + core))
    facts, sources = front_end("ear", pipeline)
    found = check_on_core(facts, sources, pipeline, recordings, board(board_name), flags=flags)
    assert found.frames >= LEAST_FRAMES


def test_the_first_stage_that_differs_is_named() -> None:
    pipeline = PIPELINES["log_mel"]
    facts, sources = front_end("ear", pipeline)
    wrong = [changed(file, "log_mel.h", "(snr >> 6) - 64U", "(snr >> 6) - 63U") for file in sources]
    recordings = drawn_recordings(pipeline.source.spec, 10_000, seed=0)
    with pytest.raises(VerificationError, match=r"stage 1 LogMel differs from NumPy"):
        check_on_core(facts, wrong, pipeline, recordings, board("nano33ble_sense"))


def changed(file: RenderedFile, name: str, old: str, new: str) -> RenderedFile:
    """The file with another text, if it has this name."""
    if not file.path.endswith(name):
        return file
    text = file.content.decode()
    assert old in text
    return replace(file, content=text.replace(old, new).encode())
