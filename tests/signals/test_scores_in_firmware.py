"""Pipelines that end with a score and an alarm, as firmware has them: C equals NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tflm_ext import sense
from tflm_ext.bench.pipeline import front_end
from tflm_ext.verify.sense import check_sense

SCORES: dict[str, tuple[float, tuple[Any, ...]]] = {
    "a frame at a time": (1.5, (sense.Mahalanobis(),)),
    "after a stack": (0.5, (sense.Stack(3, every=2), sense.KMeans(4))),
    "learning, without recordings": (1.5, (sense.Stack(2), sense.Normal(learn_windows=12))),
}
"""Threshold and stages."""


@pytest.mark.parametrize("name", SCORES)
def test_scores_and_alarms(name: str) -> None:
    random = np.random.default_rng(0)
    sound = random.normal(0, 2000, 20_000)
    sound[12_000:] *= random.uniform(1, 8, 8_000)
    recording = np.clip(np.round(sound), -32768, 32767).astype(np.int16)[:, np.newaxis]
    on, stages = SCORES[name]
    pipeline = sense.Pipeline(
        *(sense.Microphone(), sense.Frames(256, hop=200), sense.LogMel(8), *stages),
        decide=sense.Alarm(average=1, needed=2, of=3, quiet_seconds=0.1, on=on, off=0.8 * on),
    )
    if "without" not in name:
        pipeline = pipeline.fitted(recording[:12_000])
    facts, sources = front_end("fan", pipeline)
    found = check_sense(facts, sources, pipeline, [recording])
    ((decisions,),) = found.after
    assert decisions.shape == (len(pipeline.run(recording, pipeline.start())[0][-1]), 3)
    assert decisions[:, 0].any()
