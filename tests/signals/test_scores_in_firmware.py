"""Pipelines that end with a score and an alarm, as firmware has them: C equals NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end
from tflm_ext.bench.pipeline_on_core import check_on_core
from tflm_ext.signals.stage import Array
from tflm_ext.targets import board
from tflm_ext.verify.sense import check_sense

SCORES: dict[str, tuple[float, tuple[Any, ...]]] = {
    "a frame at a time": (1.5, (sense.Mahalanobis(),)),
    "several centres": (0.5, (sense.KMeans(5),)),
    "after a stack": (0.5, (sense.Stack(3, every=2), sense.KMeans(4))),
    "learning, without recordings": (1.5, (sense.Stack(2), sense.Normal(learn_windows=12))),
}
"""Threshold and stages."""

LOUDNESS = sense.LogMel(9, subtraction=None, pcan=None)


def machine() -> Array:
    """A sound that becomes louder."""
    random = np.random.default_rng(0)
    sound = random.normal(0, 2000, 20_000)
    sound[12_000:] *= random.uniform(1, 8, 8_000)
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)[:, np.newaxis]


def pipeline(name: str) -> sense.Pipeline:
    """A pipeline with the scores of this name."""
    on, stages = SCORES[name]
    found = sense.Pipeline(
        *(sense.Microphone(), sense.Frames(256, hop=200), LOUDNESS, *stages),
        decide=sense.Alarm(average=1, needed=2, of=3, quiet_seconds=0.1, on=on, off=0.8 * on),
    )
    return found if "without" in name else found.fitted(machine()[:12_000])


@pytest.mark.parametrize("name", SCORES)
def test_scores_and_alarms(name: str) -> None:
    own = pipeline(name)
    facts, sources = front_end("fan", own)
    found = check_sense(facts, sources, own, [machine()])
    ((decisions,),) = found.after
    assert decisions.shape == (len(own.run(machine(), own.start())[0][-1]), 3)
    assert decisions[:, 0].any()


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
@pytest.mark.parametrize("core", ["nano33ble_sense", "raspberry_pi_pico"])
@pytest.mark.parametrize("name", SCORES)
def test_on_cores(name: str, core: str) -> None:
    """The instructions of the DSP extension, and the portable C in their place."""
    own = pipeline(name)
    facts, sources = front_end("fan", own)
    # Extremes, too: they saturate distances.
    loud = np.where(np.arange(4000) // 50 % 2, 32767, -32768).astype(np.int16)[:, np.newaxis]
    recordings = [machine(), loud, np.zeros_like(loud)]
    found = check_on_core(facts, sources, own, recordings, board(core), flags=("-O2",))
    assert found.frames > 100
