"""float32 features that rise with one integer each, without computing in float32.

Zscore makes one of 256 values of such a feature. As no operation of float32 falls where its operand
rises, there is a smallest integer for each of these values. NumPy finds it, with the float32 of the
device; what is left for TensorFlow is to compare integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.sense.operations.integers import constant
from tflm_ext.signals.stage import Array

_MOST = 2**62  # more than any integer
_LEVELS = np.arange(-127, 128)


@dataclass(frozen=True)
class Rising:
    """Features that are functions of integers.

    Attributes:
        integers: (clips, items, n).
        least: (n,), the smallest integers that are possible.
        real: returns the features, (items, n) float32, of integers (items, n). They rise, or stay
            the same, with the integers.
    """

    integers: Any
    least: Array
    real: Callable[[Array], Array]


def joined(parts: Sequence[Rising]) -> Rising:
    """Return the features of several, one after another."""
    ends = np.cumsum([len(part.least) for part in parts])[:-1]

    def real(integers: Array) -> Array:
        own = zip(parts, np.split(integers, ends, axis=1), strict=True)
        return np.concatenate([part.real(values) for part, values in own], axis=1)

    return Rising(
        tf.concat([part.integers for part in parts], axis=2),
        np.concatenate([part.least for part in parts]),
        real,
    )


def smallest(features: Rising, to_int8: Callable[[Array], Array]) -> Array:
    """Return the smallest integer for each int8 value above -128: (n, 255).

    Args:
        to_int8: returns int8 values, which rise with the features.
    """
    low = np.repeat(features.least[np.newaxis], len(_LEVELS), axis=0)
    high = np.full_like(low, _MOST)
    while (low < high).any():
        middle = low + (high - low) // 2
        reached = to_int8(features.real(middle)) >= _LEVELS[:, np.newaxis]
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    return low.T


def as_int8(features: Rising, to_int8: Callable[[Array], Array]) -> Any:
    """Return features as int8 values, (clips, items, n).

    Args:
        to_int8: see smallest().
    """
    steps = smallest(features, to_int8)
    count = steps.shape[1]
    table = constant(steps.reshape(-1))
    first = np.arange(len(steps)) * count
    found = tf.zeros_like(features.integers)
    for size in (128, 64, 32, 16, 8, 4, 2, 1):
        reached = tf.gather(table, first + found + size - 1) <= features.integers
        found += tf.where(reached, tf.constant(size, tf.int64), 0)
    return found - 128
