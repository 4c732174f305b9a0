"""Every front end gives the bytes of NumPy after every stage, for 100,000 frames at any cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.signals.drawing import drawn_sound
from tests.signals.drawn_front_ends import FRONT_ENDS, Setting, drawn_pipeline, hop
from tests.signals.programs import Programs
from tflm_ext.signals import Pipeline
from tflm_ext.signals.stage import Array
from tflm_ext.verify.sense import drawn_recordings

LEAST_FRAMES = 100_000
SANITIZED = 8  # a share of one in 8 is also compared without optimisation and with sanitizers


def recording(pipeline: Pipeline, setting: Setting, seed: int) -> list[Array]:
    """Samples for the frames of a setting, of the kinds that a pipeline may receive."""
    spec = pipeline.source.spec
    samples = setting.frames * hop(pipeline) + pipeline.first_window + 2 * setting.points
    if spec.zero_point or spec.channels > 1:
        own = drawn_recordings(spec, samples, seed=seed)
        return [np.concatenate([part[i::2] for part in own for i in (0, 1)])]
    info = np.iinfo(spec.dtype.numpy)
    sound = drawn_sound(np.random.default_rng(seed), samples)
    return [np.clip(sound, info.min, info.max).astype(spec.dtype.numpy)[:, np.newaxis]]


@pytest.mark.slow
@pytest.mark.parametrize("name", FRONT_ENDS)
def test_c_equals_numpy(name: str, tmp_path: Path) -> None:
    front_end = FRONT_ENDS[name]
    random = np.random.default_rng(list(FRONT_ENDS).index(name))
    pipelines = [drawn_pipeline(random, front_end, own) for own in front_end.settings]
    programs = Programs(pipelines, tmp_path)
    frames = 0
    for i, (pipeline, setting) in enumerate(zip(pipelines, front_end.settings, strict=True)):
        own = recording(pipeline, setting, seed=i)
        some = [part[-len(part) // SANITIZED :] for part in own]
        frames += programs.check(i, {"sanitized": some, "optimized": own}, seed=i)
    assert frames >= LEAST_FRAMES
