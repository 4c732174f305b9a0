"""All the work of filters in a hop is counted, although they settle before the first frame."""

from __future__ import annotations

from typing import Any

import pytest

from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end, measure_pipeline
from tflm_ext.targets import default_board

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"),
]


def instructions(stage: Any, length: int, hop: int) -> int:
    """Of a filter, in a hop."""
    pipeline = sense.Pipeline(sense.Microphone(), stage, sense.Frames(length, hop), sense.Raw())
    assert pipeline.warm_up > 0
    found = measure_pipeline(*front_end("ear", pipeline), pipeline, default_board())
    return found.stages[0].instructions


@pytest.mark.parametrize("stage", [sense.LowPass(1000, order=4), sense.Decimate(2)])
def test_twice_the_samples_take_twice_the_instructions(stage: Any) -> None:
    short = instructions(stage, 256, 192)
    assert short > 192 * 10
    assert 1.85 * short < instructions(stage, 256, 384) < 2.15 * short
