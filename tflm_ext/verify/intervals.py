"""95 % intervals of the loss through int8, from paired outcomes of the same samples."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Interval: TypeAlias = tuple[float, float]

_Z = 1.959964  # quantile of the normal distribution, 2.5 % on each side


def mean_interval(differences: Array) -> Interval:
    """Return the interval of a mean of paired differences, from the normal distribution.

    Args:
        differences: one per sample, at least two.

    Example:
        >>> low, high = mean_interval(np.array([0.0, 1.0, 0.0, 1.0]))
        >>> round(low, 3), round(high, 3)
        (-0.066, 1.066)
    """
    mean = float(np.mean(differences))
    half = _Z * float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
    return mean - half, mean + half


def paired_interval(before: Array, after: Array) -> Interval:
    """Return the interval of the difference between two proportions of the same samples.

    Combines Wilson's intervals of both proportions with the correlation of the pairs (Newcombe's
    square-and-add): method 10 of R. G. Newcombe, Improved confidence intervals for the difference
    between binomial proportions based on paired data, Statistics in Medicine 17 (1998), 2635-2650.
    Unlike the textbook interval, it is valid for small samples, and for proportions close to 1.

    Args:
        before, after: outcome of each sample, boolean (samples,).

    Returns:
        Lower and upper end of mean(before) - mean(after).

    Example:
        >>> before = np.repeat([True, True, False, False], [36, 12, 2, 0])
        >>> after = np.repeat([True, False, True, False], [36, 12, 2, 0])
        >>> low, high = paired_interval(before, after)
        >>> round(low, 4), round(high, 4)
        (0.0569, 0.3404)
    """
    count = len(before)
    both, lost = int(np.sum(before & after)), int(np.sum(before & ~after))
    gained, neither = int(np.sum(~before & after)), int(np.sum(~before & ~after))
    first, second = (both + lost) / count, (both + gained) / count
    low1, high1 = _wilson(first, count)
    low2, high2 = _wilson(second, count)
    margins = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    product = float(both * neither - lost * gained)
    if product > 0:
        product = max(product - count / 2, 0.0)
    correlation = product / math.sqrt(margins) if margins else 0.0

    def root(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * correlation * one * other + other * other))

    difference = first - second
    return (
        difference - root(first - low1, high2 - second),
        difference + root(high1 - first, second - low2),
    )


def _wilson(share: float, count: int) -> Interval:
    """Return Wilson's interval of one proportion."""
    square = _Z * _Z
    middle = 2 * count * share + square
    half = _Z * math.sqrt(square + 4 * count * share * (1 - share))
    scale = 2 * (count + square)
    return (middle - half) / scale, (middle + half) / scale
