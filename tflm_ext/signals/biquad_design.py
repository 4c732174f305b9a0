"""Sections of second order: from frequencies or coefficients to exact numbers, and their errors.

A section is a state-variable filter, of which each step does

    high = x - low - band
    y    = high_mix * high + band_mix * band + low_mix * low
    band = band + band_gain * high
    low  = low + low_gain * band

Any section with stable poles has this form. Its numbers are relative to how fast the filter is, so
that they need few bits where those of a direct form, near 2 and 1, need many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tflm_ext.arithmetic.filters import ANY, HIGH, LOW
from tflm_ext.arithmetic.fixed import sin_pi, tan_pi

_LONGEST = 1 << 17


@dataclass(frozen=True)
class Section:
    """Exact numbers of a section; see the module."""

    band_gain: Fraction
    low_gain: Fraction
    high_mix: Fraction
    band_mix: Fraction
    low_mix: Fraction

    @classmethod
    def of(
        cls, b0: Fraction, b1: Fraction, b2: Fraction, a1: Fraction, a2: Fraction
    ) -> Section | None:
        """Return the section with this transfer function, in powers of 1 / z; None if unstable."""
        band, both = 1 - a2, 1 + a1 + a2
        if not (abs(a2) < 1 and abs(a1) < 1 + a2):
            return None
        return cls(band, both / band, b0, (b0 - b2) / band, (b0 + b1 + b2) / both)


@dataclass(frozen=True)
class Cascade:
    """Sections one after another.

    Attributes:
        kind: HIGH, LOW or ANY: how the sections' outputs are computed.
        gain: of the input; 1 unless the kind is HIGH, whose sections have no gain themselves.
    """

    kind: int
    gain: Fraction
    sections: tuple[Section, ...]

    @classmethod
    def of(cls, sections: Sequence[Section]) -> Cascade:
        """Return the cascade with the cheapest kind.

        The gain of high-passes moves to the input, unless it would become too small there.
        """
        if all(s.band_mix == 0 and s.low_mix == 1 for s in sections):
            return cls(LOW, Fraction(1), tuple(sections))
        gain = Fraction(1)
        for s in sections:
            gain *= s.high_mix
        if all(s.band_mix == s.low_mix == 0 for s in sections) and 1 >= gain >= Fraction(1, 16):
            bare = [
                Section(s.band_gain, s.low_gain, Fraction(1), Fraction(0), Fraction(0))
                for s in sections
            ]
            return cls(HIGH, gain, tuple(bare))
        return cls(ANY, Fraction(1), tuple(sections))

    @property
    def steady(self) -> Fraction:
        """The gain for a constant input."""
        product = self.gain
        for section in self.sections:
            product *= section.low_mix
        return product


def butterworth(cutoff: Fraction, order: int, *, high: bool) -> Cascade:
    """Return a Butterworth filter, made with the bilinear transform.

    Args:
        cutoff: frequency with half the power, as a fraction of the sampling rate, below 1 / 2.
        order: number of poles.
        high: whether high frequencies pass, not low ones.
    """
    k = tan_pi(cutoff)
    sections = []
    if order % 2:
        whole = 1 + k
        numerator = (1 / whole, -1 / whole) if high else (k / whole, k / whole)
        sections.append(_checked(*numerator, Fraction(0), (k - 1) / whole, Fraction(0)))
    for pair in reversed(range(order // 2)):
        damping = 2 * sin_pi(Fraction(2 * pair + 1, 2 * order))
        whole = 1 + damping * k + k * k
        b0, sign = (1 / whole, -2) if high else (k * k / whole, 2)
        poles = (2 * (k * k - 1) / whole, (1 - damping * k + k * k) / whole)
        sections.append(_checked(b0, sign * b0, b0, *poles))
    return Cascade.of(sections)


def _checked(b0: Fraction, b1: Fraction, b2: Fraction, a1: Fraction, a2: Fraction) -> Section:
    found = Section.of(b0, b1, b2, a1, a2)
    if found is None:
        raise AssertionError("a Butterworth filter is stable")
    return found
