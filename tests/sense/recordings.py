"""Recordings for tests: sounds from quiet to loud, and edges of int16."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def clips(count: int, samples: int, *, seed: int = 0) -> NDArray[np.int16]:
    """(clips, samples): noise, random integers, both ends of int16, silence, a tone."""
    random = np.random.default_rng(seed)
    noise = [random.normal(0, 10 ** random.uniform(0, 4.3), samples) for _ in range(count - 5)]
    edges = [
        random.integers(-32768, 32767, samples, endpoint=True),
        random.choice([-32768, -5, 7, 0, 32767], samples),
        np.zeros(samples),
        np.full(samples, -32768),
        10_000 * np.sin(0.3 * np.arange(samples)),
    ]
    return np.clip(np.rint([*noise, *edges]), -32768, 32767).astype(np.int16)
