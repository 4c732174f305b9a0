"""Arithmetic of features: integers with exact sums, and float32 in a fixed order.

The first axis of every array is that of the items. What holds for the C holds here: sums of
integers are exact, so their order does not matter; operations of float32 are done one by one, in
the order of the C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

INT8_MIN, INT8_MAX = -128, 127
INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
FACTOR_BITS = 15
_LARGEST_SHIFT = 60


_BATCH = 1 << 20


def in_batches(compute: Callable[[Array], Array], items: Array) -> Array:
    """Return compute(items), computed for some items at a time, to save memory.

    Args:
        compute: takes (n, ...), and returns (n, ...), where every item depends on itself only.
    """
    most = max(_BATCH // max(items[:1].size, 1), 1)
    if len(items) <= most:
        return compute(items)
    return np.concatenate([compute(items[i : i + most]) for i in range(0, len(items), most)])


def shifted(values: Array, bits: int) -> Array:
    """Return integers / 2**bits, halves up."""
    return (values + ((1 << bits) >> 1)) >> bits


# ---------------------------------------------------------------- cosine transform


def dct_table(bands: int, first: int, count: int) -> tuple[Array, int]:
    """Return rows of the orthonormal DCT-II as int16 values, and their fraction bits.

    The fraction bits are as many as keep every sum of products with int16 values in an int32.

    Args:
        first: number of the first row; row 0 is the mean times sqrt(bands).

    Returns:
        (count, bands), and from 7 to 15 bits.
    """
    rows = np.arange(first, first + count)[:, np.newaxis]
    phases = np.pi / bands * rows * (np.arange(bands) + 0.5)
    norm = np.where(rows == 0, math.sqrt(1 / bands), math.sqrt(2 / bands))
    real = norm * np.cos(phases)
    bits = 15
    while True:
        table = np.floor(real * 2**bits + 0.5).astype(np.int64)
        # One more for the half that is added before the shift.
        if np.abs(table).max() <= INT16_MAX and (np.abs(table).sum(1) < 2**16 - 1).all():
            return table, bits
        bits -= 1


def dct(values: Array, table: Array, bits: int) -> Array:
    """Transform int16 values; halves up, saturated to int16.

    Args:
        values: (items, bands).
        table, bits: from dct_table().

    Returns:
        (items, rows), int16.
    """
    # Sums of integers are exact in float64 below 2**53, and its product is much faster.
    sums = (values.astype(np.float64) @ table.T.astype(np.float64)).astype(np.int64)
    return np.clip(shifted(sums, bits), INT16_MIN, INT16_MAX).astype(np.int16)


# ---------------------------------------------------------------- deviations from a mean


def integer_factor(step: float) -> tuple[int, int]:
    """Return a positive factor as multiplier / 2**shift, with 15 bits of precision.

    Factors from 2**13 on become 2**13: integers that differ by 1 are then clamped, anyway.

    Returns:
        multiplier, from 2**14 to 2**15 - 1, or 0 for a factor below 2**-46; shift, 1 to 60.

    Example:
        >>> integer_factor(0.75), integer_factor(1e9)
        ((24576, 15), (16384, 1))
    """
    fraction, exponent = math.frexp(min(step, 2.0**13))
    multiplier = math.floor(fraction * 2**FACTOR_BITS + 0.5)
    if multiplier == 2**FACTOR_BITS:
        multiplier, exponent = multiplier // 2, exponent + 1
    shift = FACTOR_BITS - exponent
    return (multiplier, shift) if shift <= _LARGEST_SHIFT else (0, _LARGEST_SHIFT)


def integer_deviations(values: Array, centers: Array, factors: Array) -> Array:
    """Return ((value - center) * multiplier + rest) / 2**shift, halves up, clamped to int8.

    Args:
        values: integers, (items, n).
        centers: (n,), int32 values.
        factors: (n, 3): multiplier, rest and shift.
    """
    multiplier, rest, shift = factors.astype(np.int64).T
    sums = (values.astype(np.int64) - centers) * multiplier + rest + (np.int64(1) << (shift - 1))
    return np.clip(sums >> shift, INT8_MIN, INT8_MAX).astype(np.int8)


def real_deviations(values: Array, means: Array, factors: Array) -> Array:
    """Return (value - mean) * factor, halves up, clamped to int8; NaN gives 0.

    Args:
        values: float32, (items, n).
        means, factors: (n,), float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = (values - means) * factors
    limited = np.clip(np.where(np.isnan(steps), np.float32(0), steps), INT8_MIN, INT8_MAX)
    # The sum is positive, so the cast rounds it down.
    above = (limited.astype(np.float32) + np.float32(128.5)).astype(np.int64)
    return (above + INT8_MIN).astype(np.int8)


# ---------------------------------------------------------------- statistics

RISING = (
    "mean",
    "rms",
    "variance",
    "deviation",
    "peak",
    "peak_to_peak",
    "zero_crossings",
    "energy",
)
"""Measures that are functions of one integer each, see rising_measure()."""

MEASURES = (*RISING, "skew", "kurtosis", "crest")
"""What statistics() computes, in the order of the numbers that the C gives them."""


def moment_bits(length: int) -> int:
    """Return bits of deviations from the mean so that the sum of fourth powers fits 64 bits.

    Args:
        length: samples that are added, at most 2**16.
    """
    return (64 - (length - 1).bit_length()) // 4


def rising_measure(name: str, integers: Array, length: int) -> Array:
    """Return one of RISING, in counts; it rises, or stays the same, with its integer.

    Args:
        integers: for mean, the sum of samples; for rms and energy, that of squares; for variance
            and deviation, length times the sum of squared deviations from the mean.
        length: samples that were added.

    Returns:
        float32, of the same shape.
    """
    found = _real(integers)
    if name in ("mean", "rms"):
        found = found / np.float32(length)
    elif name in ("variance", "deviation"):
        found = found / np.float32(length * length)
    return np.sqrt(found) if name in ("rms", "deviation") else found


def statistics(frames: Array, zero_point: int, measures: Collection[str]) -> dict[str, Array]:
    """Return measures of every channel, in counts.

    Sums of samples, of squares and of powers of deviations are exact; everything after them is
    float32.

    Args:
        frames: int16 values, (frames, length, channels).
        measures: names of MEASURES.

    Returns:
        By name: (frames, channels), float32.
    """
    samples = frames.astype(np.int64)
    length = samples.shape[1]
    total, squares = samples.sum(1), (samples * samples).sum(1)
    least, most = samples.min(1), samples.max(1)
    energy = squares - 2 * zero_point * total + length * zero_point**2
    spread = length * squares - total * total
    negative = samples < zero_point
    peak = np.maximum(most - zero_point, zero_point - least)
    integers = {
        "mean": total - length * zero_point,
        "rms": energy,
        "variance": spread,
        "deviation": spread,
        "peak": peak,
        "peak_to_peak": most - least,
        "zero_crossings": (negative[:, 1:] != negative[:, :-1]).sum(1),
        "energy": energy,
    }
    found = {name: rising_measure(name, integers[name], length) for name in RISING}
    rms = np.where(energy > 0, found["rms"], np.float32(1))
    found["crest"] = np.where(energy > 0, _real(peak) / rms, np.float32(0))
    if not {"skew", "kurtosis"}.isdisjoint(measures):
        found["skew"], found["kurtosis"] = moments(samples, total, least, most)
    return {name: found[name] for name in measures}


def moments(samples: Array, total: Array, least: Array, most: Array) -> tuple[Array, Array]:
    """Return skew and kurtosis; 0 where all samples of a channel are equal.

    Args:
        samples: (frames, length, channels), int64.
        total, least, most: sums and extremes, (frames, channels).

    Returns:
        (frames, channels) each, float32; the kurtosis of normally distributed samples is 3.
    """
    length = samples.shape[1]
    center = (2 * total + length) // (2 * length)
    widest = np.maximum(most - center, center - least)
    # frexp gives the bits of an integer.
    shift = np.maximum(np.frexp(widest.astype(np.float64))[1] - moment_bits(length), 0)
    distance = (samples - center[:, np.newaxis]) >> shift[:, np.newaxis].astype(np.int64)
    square = distance * distance
    fourth = square.astype(np.uint64)
    count = np.float32(length)
    e1, e2 = _real(distance.sum(1)) / count, _real(square.sum(1)) / count
    e3 = _real((square * distance).sum(1)) / count
    e4 = _real((fourth * fourth).sum(1)) / count
    e11 = e1 * e1
    m2 = e2 - e11
    varied = m2 > 0
    m2 = np.where(varied, m2, np.float32(1))
    m3 = e3 - np.float32(3) * e1 * e2
    m3 = m3 + np.float32(2) * e1 * e11
    m4 = e4 - np.float32(4) * e1 * e3
    m4 = m4 + np.float32(6) * e11 * e2
    m4 = m4 - np.float32(3) * e11 * e11
    zero = np.float32(0)
    skew = np.where(varied, m3 / (m2 * np.sqrt(m2)), zero)
    return skew, np.where(varied, m4 / (m2 * m2), zero)


def _real(values: Array) -> Array:
    return np.asarray(values).astype(np.float32)


# ---------------------------------------------------------------- gate


def spreads(frames: Array) -> Array:
    """Return the sums of squared deviations from the mean, added up over channels, int64.

    Those of each channel are rounded down.

    Args:
        frames: int16 values, (frames, length, channels).
    """
    samples = frames.astype(np.int64)
    length = samples.shape[1]
    total, squares = samples.sum(1), (samples * samples).sum(1)
    return ((length * squares - total * total) // length).sum(1)


def held(loud: Array, hold: int, left: int) -> tuple[Array, int]:
    """Return which frames pass: loud ones, and `hold` frames after each.

    Args:
        loud: (frames,), bool.
        left: how many frames still pass on account of earlier ones, up to hold.

    Returns:
        (frames,), bool, and how many are left after the last one.
    """
    number = np.arange(len(loud))
    # The last loud frame, up to each; before the first frame, the one that `left` tells of.
    last = np.maximum.accumulate(np.where(loud, number, left - hold - 1))
    if len(loud) == 0:
        return loud, left
    return number - last <= hold, max(hold - int(number[-1] - last[-1]), 0)
