"""Integer arithmetic of scores and decisions, bit for bit that of the C in templates/signals/.

Arrays hold the values of C in int64. Divisions by powers of two round down, as shifts do.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.arithmetic import INT32_MAX, round_half_away
from tflm_ext.arithmetic.signals import INT16_MAX, INT16_MIN, square_root

Array: TypeAlias = np.ndarray[Any, Any]

DEVIATION_BITS = 10
"""Fraction bits of standardized values: a deviation is 1024."""
MEAN_BITS = 14
"""Fraction bits of means."""
RECIPROCAL_BITS = DEVIATION_BITS + 32 - MEAN_BITS
"""Fraction bits of reciprocal deviations."""
LEAST_DEVIATION = 1 / 8
"""The smallest deviation whose reciprocal fits."""
MOST_WINDOWS = 1 << 16
"""Windows that can be learnt, so that sums, and their products with the count, fit into int64."""


def standard(mean: float, deviation: float) -> tuple[int, int]:
    """Return the mean with 14 and the reciprocal deviation with 28 fraction bits, to nearest.

    Example:
        >>> standard(-1.5, 2.0)
        (-24576, 134217728)
        >>> standard(0.0, 0.125)[1] == 2**31 - 1
        True
    """
    reciprocal = round_half_away((1 << RECIPROCAL_BITS) / deviation)
    return round_half_away(mean * (1 << MEAN_BITS)), min(reciprocal, INT32_MAX)


def standardized(values: Array, standards: Array) -> Array:
    """Return (value - mean) / deviation with 10 fraction bits, rounded down, limited to int16.

    Args:
        values: (items, values), int16 values.
        standards: (values, 2), means and reciprocals as standard() returns them.
    """
    above = (values.astype(np.int64) << MEAN_BITS) - standards[:, 0]
    return np.clip((above * standards[:, 1]) >> 32, INT16_MIN, INT16_MAX)


def line(mean: float, deviation: float, unit: int) -> tuple[int, int]:
    """Return factor and offset so that unit * (value - mean) / deviation is on_line().

    Args:
        unit: of a deviation, up to 64.

    Example:
        >>> line(-1.5, 2.0, 64)
        (2097152, 48)
    """
    factor = round_half_away((unit << 16) / deviation)
    return factor, round_half_away(-mean * unit / deviation)


def on_line(values: Array, lines: Array, limit: int) -> Array:
    """Return factor * value / 2**16 + offset, rounded down, from -limit to limit - 1.

    Args:
        values: (items, values), int16 values.
        lines: (values, 2), factors and offsets as line() returns them.
    """
    found = ((values.astype(np.int64) * lines[:, 0]) >> 16) + lines[:, 1]
    return np.clip(found, -limit, limit - 1)


def mean_square_shift(count: int) -> int:
    """Return by how much sums of `count` squares of int16 are shifted right, to fit into int32."""
    return (count - 1).bit_length()


def mean_squares(values: Array) -> Array:
    """Return the sums of squares of int16 values, (items, values), shifted to fit into int32."""
    return (values * values).sum(axis=1) >> mean_square_shift(values.shape[1])


def learnt(sums: Array, windows: int, largest: int) -> Array:
    """Return means and reciprocal deviations, (values, 2), from sums of values and squares.

    The mean is rounded to nearest, halves up. The reciprocal is that of a root with 31 bits or
    more, to nearest.

    Args:
        sums: (values, 2).
        windows: that were added up, from 1 to MOST_WINDOWS.
        largest: reciprocal that is never exceeded.
    """
    pairs = [_learnt(total, squares, windows, largest) for total, squares in sums.tolist()]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _learnt(total: int, squares: int, windows: int, largest: int) -> tuple[int, int]:
    mean = ((total << MEAN_BITS) + windows // 2) // windows
    variance = windows * squares - total * total  # times windows**2
    if variance < (windows * windows + 63) // 64:  # the deviation is below 1 / 8
        return mean, largest
    half = (64 - variance.bit_length()) // 2
    root = int(square_root(np.array([variance << (2 * half)], np.uint64))[0])
    reciprocal = ((windows << (half + RECIPROCAL_BITS)) + root // 2) // root
    return mean, min(reciprocal, largest)


def mean_and_deviation(values: Array) -> tuple[list[float], list[float]]:
    """Return means and deviations of integers, each the float64 next to the exact number.

    Args:
        values: (items, values), int16 values; at least one item.
    """
    count = len(values)
    wide = values.astype(np.int64)
    totals, squares = wide.sum(axis=0).tolist(), (wide * wide).sum(axis=0).tolist()
    pairs = list(zip(totals, squares, strict=True))
    means = [total / count for total, _ in pairs]
    variances = [(count * square - total * total) / (count * count) for total, square in pairs]
    return means, list(map(math.sqrt, variances))


def ratio_words(first: float, second: float, bits: int) -> tuple[int, int, float]:
    """Return two scales as integers, of which the larger is 2**bits, and the unit of these.

    Example:
        >>> ratio_words(0.5, 0.125, 20)
        (1048576, 262144, 4.76837158203125e-07)
    """
    unit = math.ldexp(max(first, second), -bits)
    return round_half_away(first / unit), round_half_away(second / unit), unit


def steps(real: float, scale: float) -> int:
    """Return a real value in steps of `scale`, to nearest, halves away from zero."""
    return round_half_away(real / scale)


def running_mean(total: int, value: int, shift: int) -> int:
    """Return the next sum of a running mean, which is total / 2**shift, rounded down.

    A new value has the weight 1 / 2**shift. For a constant value, the mean becomes that value.

    Example:
        >>> total = 40 << 4
        >>> for _ in range(200):
        ...     total = running_mean(total, 3, 4)
        >>> total >> 4
        3
    """
    return total + value - (total >> shift)
