"""LogMel: NumPy, C and TensorFlow Lite Micro give the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tflm_ext.signals import LogMel, Microphone
from tflm_ext.signals.frames import Frames


@pytest.mark.parametrize("seed", range(3))
def test_c_equals_numpy(seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = Frames(2 * int(random.integers(17, 512))).bind(Microphone().spec)
    block = LogMel(int(random.integers(8, 64))).bind(frames.out)
    loud = random.normal(0, 10 ** random.uniform(0, 4.3), (40, *frames.out.shape))
    edges = random.choice([-32768, -1, 0, 1, 32767], (10, *frames.out.shape))
    items = np.clip(np.concatenate([loud, edges]), -32768, 32767).astype(np.int16)
    assert_block(block, items)
