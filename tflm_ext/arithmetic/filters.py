"""Filters of streams, with the bits of templates/signals/biquad_*.h, resample.h, remove_gravity.h.

Recursive filters work sample by sample, in Python's integers or in float32 scalars: about a
microsecond for a sample in a section. FIR filters work on whole recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
HIGH, LOW, ANY = range(3)
"""What a section gives: enum of biquad.h."""


def saturated(values: Array) -> Array:
    """Return integers limited to int16."""
    return np.clip(values, INT16_MIN, INT16_MAX).astype(np.int16)


def _smmulr(a: int, b: int) -> int:
    """Return a * b / 2**32, halves up."""
    return (a * b + (1 << 31)) >> 32


def section_int32(
    numbers: Sequence[int], row: Sequence[int], kind: int, band: int, low: int
) -> tuple[list[int], int, int]:
    """Let numbers of one channel pass through a section.

    Args:
        numbers: with the fraction bits of the filter.
        row: of the table of biquad_int32.h.
        kind: HIGH, LOW or ANY.
        band, low: the integrators.

    Returns:
        The output's numbers, and the integrators.
    """
    own_band, own_low, high_mix, band_mix, low_mix, band_shift, low_shift, mix_shift = row
    left, right = max(band_shift, 0), max(-band_shift, 0)
    given = []
    for number in numbers:
        old_band, old_low = band >> 32, low >> 32
        high = number + (old_low << low_shift) + (old_band << left >> right)
        band += own_band * high
        low += own_low * (band >> 32)
        if kind == HIGH:
            given.append(high)
        elif kind == LOW:
            given.append((_smmulr(high_mix, high) << mix_shift) - (old_low << low_shift))
        else:
            mixed = _smmulr(high_mix, high) + _smmulr(band_mix, old_band)
            given.append((mixed + _smmulr(low_mix, old_low)) << mix_shift)
    return given, band, low


def section_float32(
    numbers: Sequence[np.float32], row: Array, kind: int, band: np.float32, low: np.float32
) -> tuple[list[np.float32], np.float32, np.float32]:
    """Let numbers of one channel pass through a section, in float32.

    Args:
        numbers: float32.
        row: (6,) float32, of the table of biquad_float32.h.

    Returns:
        The output's numbers, and the integrators.
    """
    _, own_band, own_low, high_mix, band_mix, low_mix = row
    given = []
    for number in numbers:
        old_band, old_low = band, low
        high = (number + old_low) + old_band
        band = old_band + own_band * high
        low = old_low + own_low * band
        if kind == HIGH:
            given.append(high)
        elif kind == LOW:
            given.append(high_mix * high - old_low)
        else:
            given.append((high_mix * high + band_mix * old_band) + low_mix * old_low)
    return given, band, low


def nearest_int16(values: Array) -> Array:
    """Return float32 values as int16: the nearest, halves to even, saturated."""
    return saturated(np.rint(np.clip(values, INT16_MIN, INT16_MAX)))


def fir(samples: Array, starts: Array, phases: Array, coefficients: Array, bits: int) -> Array:
    """Return the outputs of a polyphase filter, rounded to the nearest int16, halves up.

    Args:
        samples: (samples, channels) int16.
        starts: (outputs,), the first sample of each output's window.
        phases: (outputs,), the row of the coefficients of each.
        coefficients: (phases, taps) int16; products with int16 samples fit their sum in int32.
        bits: fraction bits of the coefficients.

    Returns:
        (outputs, channels) int16.
    """
    sums = np.zeros((len(starts), samples.shape[1]), np.int32)
    for tap in range(coefficients.shape[1]):
        weights = coefficients[phases, tap].astype(np.int32)[:, np.newaxis]
        sums += weights * samples[starts + tap].astype(np.int32)
    return saturated((sums + np.int32(1 << (bits - 1))) >> bits)


def high_pass_int32(numbers: Sequence[int], share: int, gravity: int) -> tuple[list[int], int]:
    """Return how far numbers of one channel are above a slow mean, and the mean times 2**32.

    Args:
        numbers: samples times a gain.
        share: of the difference by which the mean moves with every number, times 2**32.
        gravity: the mean times 2**32 before the first number.
    """
    given = []
    for number in numbers:
        high = number - (gravity >> 32)
        gravity += share * high
        given.append(high)
    return given, gravity
