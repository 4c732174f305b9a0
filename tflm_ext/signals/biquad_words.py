"""The numbers of a cascade as they are in memory, and how exact a filter with them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tflm_ext.arithmetic.filters import ANY, HIGH, LOW
from tflm_ext.arithmetic.fixed import rounded
from tflm_ext.signals.biquad_design import Cascade, Section
from tflm_ext.signals.biquad_response import Sums, onward
from tflm_ext.signals.stage import Array

_MOST_FRACTION_BITS = 14
_LARGEST = 2**30 - 2**16
_INT16 = 2**15
_MOST_SHIFT = 24


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


def integer_words(cascade: Cascade, largest: Sequence[Sums]) -> Words | None:
    """Return the integers with as many fraction bits as no input overflows; None if there are none.

    Args:
        largest: what inside() returned.
    """
    bits = _MOST_FRACTION_BITS
    height = float(cascade.gain) * max(max(own) for own in largest) * _INT16
    while bits > 0 and height * 2**bits > _LARGEST:
        bits -= 1
    highest = max(max(own) for own in largest)
    rows = [
        _row(section, cascade.kind, own, highest)
        for section, own in zip(cascade.sections, largest, strict=True)
    ]
    if bits < 1 or any(max(row[5:]) > _MOST_SHIFT for row in rows):
        return None
    error = 0.0
    for i, (section, row) in enumerate(zip(cascade.sections, rows, strict=True)):
        band, low, mix = (2.0**shift for shift in row[5:])
        error += (max(band, 1.0) + low) * onward(cascade, i, "input")
        error += band * float(section.low_gain) * onward(cascade, i, "low")
        if cascade.kind != HIGH:
            mixed = abs(float(section.band_mix)) * band + abs(float(section.low_mix)) * low
            error += (mixed + 1.5 * mix) * onward(cascade, i + 1, "input")
    return Words(rounded(cascade.gain, bits), bits, tuple(rows), error / 2**bits)


def _row(section: Section, kind: int, own: Sums, highest: float) -> tuple[int, ...]:
    """Return a row of the table; every product is divided by 2**32.

    Args:
        own: the largest numbers of the section.
        highest: the largest number of all sections, for which there is room.
    """
    band_shift = _shift(section.band_gain)
    # A filter that rings at a high frequency has a small band and a large gain from it to low:
    # finer words for band make room for the gain, so that those for low need not be coarse.
    while (
        _shift(section.low_gain, -band_shift) > 0
        and abs(rounded(section.band_gain, 33 - band_shift)) < 2**31
        and own.band * 2.0 ** (1 - band_shift) <= highest
    ):
        band_shift -= 1
    low_shift = _shift(section.low_gain, -band_shift)
    used = {HIGH: 0, LOW: 1, ANY: 3}[kind]
    mixes = (section.high_mix, -section.band_mix, -section.low_mix)[:used]
    scales = (0, -band_shift, -low_shift)
    mix_shift = max((_shift(m, s) for m, s in zip(mixes, scales, strict=False)), default=0)
    words = [rounded(m, 32 - mix_shift - s) for m, s in zip(mixes, scales, strict=False)]
    return (
        rounded(-section.band_gain, 32 - band_shift),
        rounded(section.low_gain, 32 + band_shift - low_shift),
        *(words + [0] * (3 - used)),
        band_shift,
        low_shift,
        mix_shift,
    )


def _shift(value: Fraction, scale: int = 0) -> int:
    """Return the smallest n >= 0 with which value * 2**(32 - scale - n) rounds to an int32."""
    n = 0
    while abs(rounded(value, 32 - scale - n)) >= 2**31:
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


def float_error(cascade: Cascade, largest: Sequence[Sums]) -> float:
    """Return a bound of the error that roundings in float32 add up to, in counts.

    Every result is wrong by up to 2**-24 of itself, and that error is filtered from there on.
    """
    error = 0.0
    for i, (section, own) in enumerate(zip(cascade.sections, largest, strict=True)):
        high = own.input + (own.input + own.low) + own.high
        band = float(section.band_gain) * own.high + own.band
        low = float(section.low_gain) * own.band + own.low
        error += high * onward(cascade, i, "input")
        error += band * onward(cascade, i, "band") + low * onward(cascade, i, "low")
        if cascade.kind != HIGH:
            mixed = 2 * abs(float(section.high_mix)) * own.high
            mixed += 2 * abs(float(section.band_mix)) * own.band
            mixed += abs(float(section.low_mix)) * own.low + own.output
            error += mixed * onward(cascade, i + 1, "input")
    return error * float(cascade.gain) * _INT16 * 2.0**-24
