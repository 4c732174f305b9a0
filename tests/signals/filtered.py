"""Signals for tests of filters, and what filters should make of them."""

from __future__ import annotations

import numpy as np

from tflm_ext.signals.stage import Array


def hard_samples(random: np.random.Generator, count: int, channels: int) -> Array:
    """Noise, and parts of full scale, silence, square waves and single steps."""
    samples = random.integers(-32768, 32768, (count, channels))
    parts = np.sort(random.integers(0, count, 8))
    samples[parts[0] : parts[1]] = -32768
    samples[parts[1] : parts[2]] = 32767
    samples[parts[2] : parts[3]] = 0
    samples[parts[4] : parts[5]] //= 4096
    square = np.where(np.arange(count) // int(random.integers(1, 40)) % 2, 32767, -32768)
    samples[parts[6] : parts[7]] = square[parts[6] : parts[7], np.newaxis]
    return samples.astype(np.int16)


def ideal(sections: Array, samples: Array) -> Array:
    """Filter in float64.

    Args:
        sections: (sections, 5): b0, b1, b2, a1, a2.
        samples: (samples, channels).
    """
    numbers = samples.astype(np.float64)
    for b0, b1, b2, a1, a2 in sections:
        output = np.zeros_like(numbers)
        first, second = np.zeros(numbers.shape[1]), np.zeros(numbers.shape[1])
        for i, x in enumerate(numbers):
            output[i] = b0 * x + first
            first = b1 * x - a1 * output[i] + second
            second = b2 * x - a2 * output[i]
        numbers = output
    return numbers
