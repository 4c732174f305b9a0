"""Drawn pipelines: NumPy gives the same for any pieces of a recording, and so does the C.

A small sample in the suite; `make fuzz-sense` for a million frames, from another seed.
"""

from __future__ import annotations

import math
import os
import time

import numpy as np
import pytest

from tests.signals.drawn_pipelines import (
    NEED_A_MODEL,
    PLACES,
    SOURCES,
    assert_any_pieces,
    drawn_pipeline,
)
from tflm_ext.bench.pipeline import front_end
from tflm_ext.errors import VerificationError
from tflm_ext.signals import Pipeline
from tflm_ext.signals.stage import STAGES
from tflm_ext.verify.sense import check_sense, drawn_recordings

SECONDS = float(os.environ.get("TFLM_EXT_FUZZ_SECONDS") or "inf")
FRAMES = int(os.environ.get("TFLM_EXT_FUZZ_FRAMES") or 5000)
FIRST_SEED = int(time.time()) if "TFLM_EXT_FUZZ_FRAMES" in os.environ else 0


def check(seed: int, frames: int) -> int:
    """Compare a drawn pipeline; returns how many frames were compared."""
    random = np.random.default_rng(seed)
    pipeline = drawn_pipeline(random)
    hop = pipeline.source.spec.rate / pipeline.frame_rate
    samples = math.ceil(frames * hop) + 5 * pipeline.first_window
    recordings = drawn_recordings(pipeline.source.spec, samples, seed=seed)
    try:
        assert Pipeline.from_json(pipeline.to_json()) == pipeline
        for own in recordings:
            assert_any_pieces(pipeline, own, random)
        found = check_sense(*front_end("ear", pipeline), pipeline, recordings, seed=seed)
    except (AssertionError, VerificationError) as error:
        raise AssertionError(f"seed {seed}: {error}\n{pipeline.to_json()}") from error
    return found.frames


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_sample(seed: int) -> None:
    check(seed, 200)


@pytest.mark.slow
@pytest.mark.fuzz
def test_drawn_pipelines() -> None:
    """Until the time is up or the frames are compared; what is wrong does not end it."""
    end, seed, compared, wrong = time.monotonic() + SECONDS, FIRST_SEED, 0, []
    while compared < FRAMES and time.monotonic() < end and len(wrong) < 20:
        try:
            compared += check(seed, min(FRAMES, 4000))
        except AssertionError as error:
            wrong.append(str(error))
            print(error, flush=True)
        seed += 1
    pipelines = f"{seed - FIRST_SEED:,} pipelines from seed {FIRST_SEED} on"
    print(f"{compared:,} frames of {pipelines}, of which {len(wrong)} are wrong")
    assert not wrong, "\n".join(wrong)


def test_every_stage_is_drawn() -> None:
    drawn = {name.split(",")[0] for place in PLACES.values() for name in place}
    assert set(STAGES) == drawn | set(SOURCES) | NEED_A_MODEL | {"Frames"}
