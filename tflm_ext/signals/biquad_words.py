"""The numbers of a cascade as they are in memory, and how exact a filter with them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tflm_ext.arithmetic.filters import ANY, HIGH
from tflm_ext.arithmetic.fixed import rounded
from tflm_ext.signals.biquad_design import Cascade, Section, Sums, sums
from tflm_ext.signals.stage import Array

_MOST_FRACTION_BITS = 14
_LARGEST = 2**30 - 2**16
_INT16 = 2**15


@dataclass(frozen=True)
class Words:
    """Integers of a cascade.

    Attributes:
        gain: of samples that enter; see biquad_int32.h.
        fraction_bits: of numbers between the sections.
        rows: (sections, 8), the table.
        error: bound of the error of the output before it is rounded, in counts.
    """

    gain: int
    fraction_bits: int
    rows: tuple[tuple[int, ...], ...]
    error: float


def integer_words(cascade: Cascade, analysis: Sequence[Sequence[Sums]]) -> Words | None:
    """Return the integers with as many fraction bits as no input overflows; None if there are none.

    Args:
        analysis: what an impulse at the input of each section causes from there on.
    """
    largest = float(cascade.gain) * max(max(own) for own in analysis[0])
    bits = _MOST_FRACTION_BITS
    while bits > 0 and largest * _INT16 * 2**bits > _LARGEST:
        bits -= 1
    if bits < 1:
        return None
    rows = [_row(section, cascade.kind) for section in cascade.sections]
    if any(max(map(abs, row)) >= 2**31 or max(row[5:]) > 30 for row in rows):
        return None
    error = 0.0
    for i, (section, row) in enumerate(zip(cascade.sections, rows, strict=True)):
        drift = sums(cascade, i, "low")
        if drift is None:
            return None
        band, low, mix = (2.0**shift for shift in row[5:])
        error += (band + low) * analysis[i][-1].output
        error += band * float(section.low_gain) * drift[-1].output
        if cascade.kind != HIGH:
            after = analysis[i + 1][-1].output if i + 1 < len(rows) else 1.0
            mixed = abs(float(section.band_mix)) * band + abs(float(section.low_mix)) * low
            error += (mixed + 1.5 * mix) * after
    gain = rounded(cascade.gain, bits)
    return Words(gain, bits, tuple(rows), error / 2**bits)


def _row(section: Section, kind: int) -> tuple[int, ...]:
    """Return a row of the table; every product is divided by 2**32."""
    band_shift = _shift(section.band_gain)
    low_shift = _shift(section.low_gain * 2**band_shift)
    mixes = (
        section.high_mix,
        -section.band_mix * 2**band_shift,
        -section.low_mix * 2**low_shift,
    )
    if kind == HIGH:
        mixes = (Fraction(0),) * 3
    elif kind != ANY:
        mixes = (section.high_mix, Fraction(0), Fraction(0))
    mix_shift = max(map(_shift, mixes))
    return (
        rounded(-section.band_gain, 32 - band_shift),
        rounded(section.low_gain * 2**band_shift, 32 - low_shift),
        *(rounded(mix, 32 - mix_shift) for mix in mixes),
        band_shift,
        low_shift,
        mix_shift,
    )


def _shift(value: Fraction) -> int:
    """Return the smallest n >= 0 with which value * 2**(32 - n) rounds to an int32."""
    n = 0
    while abs(rounded(value, 32 - n)) >= 2**31:
        n += 1
    return n


def float_rows(cascade: Cascade) -> Array:
    """Return the table of biquad_float32.h: (sections, 6) float32."""
    rows = [
        (
            cascade.gain if i == 0 else Fraction(1),
            -section.band_gain,
            section.low_gain,
            section.high_mix,
            -section.band_mix,
            -section.low_mix,
        )
        for i, section in enumerate(cascade.sections)
    ]
    return np.array([[float(value) for value in row] for row in rows], np.float64).astype(
        np.float32
    )


def float_error(cascade: Cascade) -> float:
    """Return a bound of the error that roundings in float32 add up to, in counts.

    Every result is wrong by up to 2**-24 of itself; that error then goes the way of the signal.
    """
    inside = sums(cascade, 0, "input")
    if inside is None:
        return float("inf")
    error = 0.0
    for i, own in enumerate(inside):
        found = [sums(cascade, i, place) for place in ("input", "band", "low")]
        after = sums(cascade, i + 1, "input") if i + 1 < len(inside) else None
        onward = [one[-1].output for one in found if one is not None]
        if len(onward) < len(found):
            return float("inf")
        section = cascade.sections[i]
        high = own.input + (own.input + own.low) + own.high
        band = float(section.band_gain) * own.high + own.band
        low = float(section.low_gain) * own.band + own.low
        mixed = (
            2 * abs(float(section.high_mix)) * own.high
            + 2 * abs(float(section.band_mix)) * own.band
            + abs(float(section.low_mix)) * own.low
            + own.output
        )
        error += high * onward[0] + band * onward[1] + low * onward[2]
        if cascade.kind != HIGH:
            error += mixed * (after[-1].output if after else 1.0)
    return error * float(cascade.gain) * _INT16 * 2.0**-24
