"""Tables of the log-mel front end, as TensorFlow Lite Micro's Python package computes them.

They are part of the definition of a front end: other roundings would be other features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.stage import Array

WEIGHT_BITS = 12
"""Fraction bits of the weights of the bank, and of the window."""


def hann(length: int) -> Array:
    """Return a Hann window, times 2**12: (length,), symmetric, without zeros at its ends."""
    angle = 2 * np.pi / length * (np.arange(length) + 0.5)
    return np.round((0.5 - 0.5 * np.cos(angle)) * 2**WEIGHT_BITS).astype(np.int64)


def mel(hertz: float) -> np.float32:
    """Return the mel value of a frequency, in float32: 1127 * ln(1 + f / 700).

    Source: Young et al., The HTK Book.
    """
    return np.float32(1127.0 * float(np.float32(np.log1p(float(np.float32(hertz / 700.0))))))


@dataclass(frozen=True, eq=False)
class Bank:
    """Triangular filters on the mel scale. Every bin counts for two neighbouring bands.

    Attributes:
        first: the first bin of the spectrum that counts.
        widths: (bands + 1,), how many bins rise to the centre of each band; the last number is that
            of bins that fall from the last centre.
        weights: (bins,), times 2**12, for the band whose centre comes after the bin.
        unweights: (bins,), times 2**12, for the band before that one.
    """

    first: int
    widths: Array
    weights: Array
    unweights: Array

    @property
    def bins(self) -> int:
        return len(self.weights)

    @property
    def whole(self) -> Array:
        """The bins whose two weights add up to 2**12; those of others, to one less.

        Every weight is rounded down, so nothing is lost where both are integers.
        """
        missing = 2**WEIGHT_BITS - self.weights - self.unweights
        if not np.isin(missing, (0, 1)).all():
            raise AssertionError("two weights add up to 1 before they are rounded down")
        return self.first + np.flatnonzero(missing == 0)


def make_bank(points: int, rate: Fraction, bands: int, low_hertz: float, high_hertz: float) -> Bank:
    """Return the filters for a real transform.

    Args:
        points: of the transform.
        rate: samples per second.

    Raises:
        ConfigError: the highest frequency is too high.
    """
    bins = points // 2 + 1
    hertz_per_bin = float(rate / 2) / (bins - 1)
    low, high = mel(low_hertz), mel(high_hertz)
    spacing = np.float32(high - low) / np.float32(bands + 1)
    centres = low + spacing * np.arange(1, bands + 2, dtype=np.float32)
    first = round(1 + low_hertz / hertz_per_bin)
    widths, weights, unweights = [], [], []
    at = first
    for band, centre in enumerate(centres):
        before = low if band == 0 else centres[band - 1]
        begin = at
        while mel(at * hertz_per_bin) <= centre:
            if at >= bins - 1:
                raise ConfigError(
                    f"Bands up to {high_hertz:g} Hz need a rate above {2 * high_hertz:g} per "
                    f"second, but the rate is {float(rate):g}.",
                    "Pass a smaller high_hz, or record at a higher rate.",
                )
            weight = np.float32(centre - mel(at * hertz_per_bin)) / np.float32(centre - before)
            weights.append(int(weight * 2**WEIGHT_BITS))
            unweights.append(int((1 - weight) * 2**WEIGHT_BITS))
            at += 1
        widths.append(at - begin)
    return Bank(first, np.array(widths), np.array(weights, np.int64), np.array(unweights, np.int64))


def gain_table(strength: float, offset: float, input_bits: int, gain_bits: int) -> Array:
    """Return the table of the gain of PCAN: parabolas between powers of two.

    gain(x) = 2**gain_bits * (x / 2**input_bits + offset) ** -strength, at most 32767. The first two
    entries are those for 0 and 1, and from 6 on, every interval has four: value, linear and
    quadratic coefficient, and 0.

    Source: Wang et al., "Trainable Frontend for Robust and Far-Field Keyword Spotting", 2017.
    """

    def gain(x: int) -> int:
        base = float(np.float32(np.float32(x) / np.float32(2**input_bits)) + np.float32(offset))
        found = float(np.float32(2**gain_bits * math.pow(base, -float(np.float32(strength)))))
        return 32767 if found > 32767 else int(np.float32(found + 0.5))

    table = [gain(0), gain(1)]
    for interval in range(2, 33):
        low = 1 << (interval - 1)
        middle = low + (low >> 1)
        high = low + (low - 1) if interval == 32 else 2 * low
        y0, y1, y2 = gain(low), gain(middle), gain(high)
        linear = 4 * (y1 - y0) - (y2 - y0)
        table += [y0, linear, (y2 - y0) - linear, 0]
    return np.array(table[:-1], np.int64).astype(np.int16).astype(np.int64)
