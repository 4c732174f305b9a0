"""FIR filters for other sampling rates: windowed sinc, as int16 coefficients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from tflm_ext.arithmetic.fixed import bessel_i0, pi, rounded, sin_pi
from tflm_ext.signals.stage import Array

_MOST_BITS = 15
_MOST_SUM = 2**16 - 1


@dataclass(frozen=True, eq=False)
class Polyphase:
    """Coefficients of all phases.

    Attributes:
        coefficients: (up, taps) int16; row p for outputs that are p / up after a sample, from the
            oldest sample to the newest.
        bits: fraction bits of the coefficients; those of each phase add up to 2**bits, so that a
            constant stays what it is.
    """

    coefficients: Array
    bits: int

    @property
    def taps(self) -> int:
        return int(self.coefficients.shape[1])

    def floor_db(self, up: int) -> float:
        """Return the attenuation that rounding leaves possible: at three times its deviation."""
        deviation = math.sqrt(self.taps / (12 * up)) / 2**self.bits
        return -20 * math.log10(3 * deviation)


def phase_taps(up: int, down: int, passband: Fraction, attenuation_db: Fraction) -> int:
    """Return the coefficients of a phase, by Kaiser's estimate; an even number."""
    if up == down == 1:
        return 2
    transition = (1 - passband) / max(up, down)  # in cycles per sample at `up` times the rate
    length = (attenuation_db - Fraction(795, 100)) / (Fraction(1436, 100) * transition)
    return max(2 * math.ceil(length / (2 * up)), 2)


@cache
def polyphase(up: int, down: int, passband: Fraction, attenuation_db: Fraction) -> Polyphase:
    """Return a filter that passes what both rates have.

    Frequencies up to `passband` of the lower rate's half pass; from as far above that half on, they
    are attenuated.

    Args:
        up, down: the new rate is up / down of the old one; without a common divisor.
    """
    taps = phase_taps(up, down, passband, attenuation_db)
    if up == down == 1:
        return Polyphase(np.array([[0, 2**14]], np.int16), 14)
    length = taps * up
    cutoff = Fraction(1, max(up, down))  # of half of `up` times the rate
    beta = Fraction(1102, 10_000) * (attenuation_db - Fraction(87, 10))
    half = [
        _weight(Fraction(2 * n + 1 - length, 2), length, cutoff, beta) for n in range(length // 2)
    ]
    prototype = [*half, *reversed(half)]
    # Phase p takes the coefficients p, p + up, ...; the first of them is for the newest sample.
    phases = [prototype[p::up][::-1] for p in range(up)]
    for bits in range(_MOST_BITS, 0, -1):
        rows = [_integers(phase, bits) for phase in phases]
        if all(max(row) < 2**15 and sum(map(abs, row)) <= _MOST_SUM for row in rows):
            return Polyphase(np.array(rows, np.int16), bits)
    raise AssertionError("a low-pass whose sum is 1 has coefficients of about 1 at most")


def _weight(t: Fraction, length: int, cutoff: Fraction, beta: Fraction) -> Fraction:
    """Return a coefficient, up to a factor, t samples after the middle of the filter.

    Between the two samples in the middle of a filter of even length, t is never 0.
    """
    edge = 2 * t / length
    window = bessel_i0(beta * beta * (1 - edge * edge))
    return _short(sin_pi(cutoff * t) / (pi() * t) * window)


def _short(value: Fraction) -> Fraction:
    return Fraction(rounded(value, 100), 2**100)


def _integers(phase: list[Fraction], bits: int) -> list[int]:
    """Return the coefficients of a phase, whose sum is exactly 2**bits.

    Those that are nearest to being rounded the other way take what rounding leaves of the sum.
    """
    total = sum(phase)
    exact = [value * 2**bits / total for value in phase]
    row = [round(value) for value in exact]
    left = 2**bits - sum(row)
    step = 1 if left > 0 else -1
    nearest = sorted(range(len(row)), key=lambda i: (row[i] - exact[i]) * step)
    for i in nearest[: abs(left)]:
        row[i] += step
    return row
