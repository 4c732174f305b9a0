"""Tables of the log-mel front end, as TensorFlow Lite Micro's Python package computes them.

They are part of the definition of a front end: other roundings would be other features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tflm_ext.arithmetic.log1p import log1p
from tflm_ext.errors import ConfigError
from tflm_ext.signals.stage import Array

WEIGHT_BITS = 12
"""Fraction bits of the weights of the bank, and of the window."""


def hann(length: int) -> Array:
    """Return a Hann window, times 2**12: (length,), symmetric, without zeros at its ends."""
    angle = 2 * np.pi / length * (np.arange(length) + 0.5)
    return np.round((0.5 - 0.5 * np.cos(angle)) * 2**WEIGHT_BITS).astype(np.int64)


def mel(hertz: Array) -> Array:
    """Return the mel values of frequencies, float32: 1127 * ln(1 + f / 700).

    Source: Young et al., The HTK Book.
    """
    return np.float32(1127) * log1p(hertz.astype(np.float32) / np.float32(700))


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
        ConfigError: the highest frequency is too high, or no bin is in any band.
    """
    hertz_per_bin = float(rate / 2) / (points // 2)
    mels = mel(np.arange(points // 2 + 1) * hertz_per_bin)
    edges = band_edges(bands, low_hertz, high_hertz)
    first = round(1 + low_hertz / hertz_per_bin)
    widths, rising = bank_shape(mels, edges, first, rate, high_hertz)
    scale = np.float32(2**WEIGHT_BITS)
    weights, unweights = rising * scale, (np.float32(1) - rising) * scale
    return Bank(first, widths, weights.astype(np.int64), unweights.astype(np.int64))


def band_edges(bands: int, low_hertz: float, high_hertz: float) -> Array:
    """Return the mel values of the lowest edge, all centres and the highest edge: (bands + 2,)."""
    low, high = mel(np.array([low_hertz, high_hertz]))
    spacing = (high - low) / np.float32(bands + 1)
    return low + spacing * np.arange(bands + 2, dtype=np.float32)


def bank_shape(
    mels: Array, edges: Array, first: int, rate: Fraction, high_hertz: float
) -> tuple[Array, Array]:
    """Return where the bins of a transform lie between the edges of bands.

    Args:
        mels: of all bins.
        edges: from band_edges().
        first: the first bin that counts.
        rate, high_hertz: for the error.

    Returns:
        Bins from every edge to the next, (bands + 1,); and for each of these bins how far it is
        below the next edge, from 0 to 1, float32.

    Raises:
        ConfigError: the highest frequency is too high, or no bin is in any band.
    """
    ends = np.maximum(np.searchsorted(mels, edges[1:], side="right"), first)
    if ends[-1] >= len(mels):
        raise ConfigError(
            f"Bands up to {high_hertz:g} Hz need a rate above {2 * high_hertz:g} per second, but "
            f"the rate is {float(rate):g}.",
            "Pass a smaller high_hz, or record at a higher rate.",
        )
    if ends[-1] == first:
        apart = float(rate) / (2 * len(mels) - 2)
        raise ConfigError(
            f"No bin of the transform is in any band: bins are {apart:g} Hz apart.",
            "Pass a larger high_hz or a smaller low_hz, or longer frames.",
        )
    widths = np.diff(ends, prepend=first)
    bins = np.arange(first, ends[-1])
    band = np.repeat(np.arange(len(widths)), widths)
    return widths, (edges[band + 1] - mels[bins]) / (edges[band + 1] - edges[band])


def gain_table(strength: float, offset: float, input_bits: int, gain_bits: int) -> Array:
    """Return the table of the gain of PCAN: parabolas between powers of two.

    gain(x) = 2**gain_bits * (x / 2**input_bits + offset) ** -strength, at most 32767. The first two
    entries are those for 0 and 1, and from 2 on, every interval has four: value, linear and
    quadratic coefficient, and 0. See gain_fits().

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
    return np.array(table[:-1], np.int64)


def gain_fits(table: Array) -> bool:
    """Whether a table of gain_table() has int16 values, whose parabolas do not overflow int32."""
    if not np.array_equal(table, table.astype(np.int16)):
        return False
    _, linear, quadratic = np.append(table[2:], 0).reshape(-1, 4).T[:3, :, np.newaxis]
    fraction = np.arange(1 << 10)
    products = (((quadratic * fraction) >> 5) + (linear << 5)) * fraction + (1 << 14)
    return bool(np.abs(products).max() < 2**31)
