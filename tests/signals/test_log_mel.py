"""LogMel: NumPy and C give the same bytes; test_against_tflm.py compares NumPy with TFLM."""

from __future__ import annotations

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tests.signals.drawing import drawn_block, drawn_sound
from tflm_ext.bench.pipeline import front_end
from tflm_ext.signals import Frames, LogMel, Microphone, Pipeline
from tflm_ext.verify.sense import check_sense

FRAMES = {64: 10_000, 128: 9_000, 256: 7_000, 512: 5_000, 1024: 3_000}
"""By points of the transform, for each of three settings: more than 100,000."""


@pytest.mark.parametrize("seed", range(3))
def test_c_equals_numpy(seed: int) -> None:
    random = np.random.default_rng(seed)
    block, _ = drawn_block(random)
    length = block.source.shape[0]
    edges = random.choice([-32768, -1, 0, 1, 32767], (10, length))
    items = np.concatenate([drawn_sound(random, 60 * length).reshape(60, length), edges])
    assert_block(block, items[:, :, np.newaxis])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("points", FRAMES)
def test_c_equals_numpy_for_many_frames(points: int, seed: int) -> None:
    """Any options, a hop that is shorter or longer than the frame, and samples in any pieces."""
    random = np.random.default_rng(100 * points + seed)
    block, rate = drawn_block(random, points)
    length = block.source.shape[0]
    hop = int(random.integers(length // 4, length + length // 4))
    pipeline = Pipeline(Microphone(rate), Frames(length, hop), block.stage)
    samples = drawn_sound(random, FRAMES[points] * hop + length)[:, np.newaxis]
    found = check_sense(*front_end("ear", pipeline), pipeline, [samples], seed=seed)
    assert found.frames >= FRAMES[points]


def test_an_even_and_an_odd_half() -> None:
    """The window is applied to pairs from both ends; the middle one may be alone."""
    for length in (2, 6, 66):
        frames = Frames(length).bind(Microphone().spec)
        block = LogMel(8, high_hz=7000.0).bind(frames.out)
        items = drawn_sound(np.random.default_rng(length), 9 * length).reshape(9, length, 1)
        assert_block(block, items)
