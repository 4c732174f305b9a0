"""LogMel with the bits of TensorFlow's older microfrontend, which wake words are trained with.

The signal library of TensorFlow Lite Micro was made from it. What differs: the window and the
filters are computed in float32 and rounded to nearest, -32768 is left out of the search for the
largest sample, and weights of the subtraction are float32 numbers.

Source: tensorflow/lite/experimental/microfrontend, as compiled for x86-64. Compilers for cores that
merge products with sums may give single weights that differ by one.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic import signals as arithmetic
from tflm_ext.ir import DType
from tflm_ext.kernels import Const
from tflm_ext.signals.log_mel_block import LogMelBlock
from tflm_ext.signals.mel import WEIGHT_BITS, Bank, band_edges, bank_shape, mel
from tflm_ext.signals.stage import Array, table


class MicrofrontendBlock(LogMelBlock):
    """The older front end for frames of one length."""

    KERNEL: ClassVar[str] = "microfrontend"

    @cached_property
    def window(self) -> Array:
        """The window's weights, times 2**12; those of some lengths are not symmetric."""
        return hann_float32(self.source.shape[0])

    @property
    def window_table(self) -> Array:
        return self.window

    @property
    def weight_tables(self) -> tuple[Const, ...]:
        pairs = np.stack([self.bank.weights, self.bank.unweights], 1)
        layout = f"[bin {self.bank.bins}][its band, the band before], times 2^12"
        return (table("weights", DType.INT16, pairs, layout),)

    def scale_bits(self, windowed: Array) -> Array:
        return arithmetic.scale_bits_without_lowest(windowed)

    @property
    def shares(self) -> tuple[int, int, int]:
        options = self.stage.subtraction
        return options.weights(np.float32) if options else (0, 0, 0)


def hann_float32(length: int) -> Array:
    """Return a Hann window, times 2**12, computed in float32: (length,)."""
    half = np.float32(0.5)
    angle = np.float32(np.pi) * np.float32(2) / np.float32(length)
    angles = angle * (np.arange(length, dtype=np.float32) + half)
    cosines = np.cos(angles.astype(np.float64)).astype(np.float32)
    return _rounded(half - half * cosines)


def make_rounded_bank(
    points: int, rate: Fraction, bands: int, low_hertz: float, high_hertz: float
) -> Bank:
    """Return the filters for a real transform, with weights that are rounded to nearest.

    Args:
        points: of the transform.
        rate: samples per second.

    Raises:
        ConfigError: the highest frequency is too high, or no bin is in any band.
    """
    hertz_per_bin = np.float32(0.5) * np.float32(float(rate)) / np.float32(points // 2)
    mels = mel(np.arange(points // 2 + 1, dtype=np.float32) * hertz_per_bin)
    edges = band_edges(bands, low_hertz, high_hertz)
    first = int(np.float32(1.5) + np.float32(low_hertz) / hertz_per_bin)
    widths, rising = bank_shape(mels, edges, first, rate, high_hertz)
    return Bank(first, widths, _rounded(rising), _rounded(np.float32(1) - rising))


def _rounded(weights: Array) -> Array:
    """Return float32 values times 2**12, as integers."""
    scaled = weights * np.float32(2**WEIGHT_BITS)
    return np.floor(scaled + np.float32(0.5)).astype(np.int64)
