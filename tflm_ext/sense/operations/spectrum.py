"""Levels of Spectrum and Bands, as TensorFlow operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.arithmetic import signals as arithmetic
from tflm_ext.arithmetic.spectrum import LOG_BITS, WINDOW_BITS, Segments, integer_window
from tflm_ext.sense.operations.fourier import energy, rfft
from tflm_ext.sense.operations.integers import (
    band_sums,
    bit_length,
    constant,
    fraction16,
    left,
    right,
    shifted,
    with_items,
)
from tflm_ext.signals.spectrum import SpectrumBlock


def levels(block: SpectrumBlock, frames: Any) -> Any:
    """Compute int16 levels: (clips, frames, length, channels) to (clips, frames, n)."""
    centered = frames - block.source.zero_point
    limited = tf.clip_by_value(centered, arithmetic.INT16_MIN, arithmetic.INT16_MAX)
    rows = tf.reshape(tf.transpose(limited, (0, 1, 3, 2)), (-1, block.source.shape[0]))
    bits = tf.maximum(15 - bit_length(tf.reduce_max(tf.abs(rows), axis=1)), 0)[:, tf.newaxis]
    powers = _powers(left(rows, bits), block.segments)
    logarithm = _log2(band_sums(powers, block.edges)) + block.offset - left(bits, 17)
    rounded = shifted(logarithm, 16 - LOG_BITS)
    found = tf.clip_by_value(rounded, block.least, arithmetic.INT16_MAX)
    return with_items(found, frames, block.out.size)


def _powers(samples: Any, segments: Segments) -> Any:
    """As integer_powers(), of samples that are shifted: (rows, length) to (rows, bins)."""
    parts = tf.signal.frame(samples, segments.length, segments.step, axis=1)
    windowed = shifted(parts * constant(integer_window(segments.length)), WINDOW_BITS)
    padding = segments.points - segments.length
    padded = tf.pad(tf.reshape(windowed, (-1, segments.length)), ((0, 0), (0, padding)))
    found = energy(*rfft(padded, segments.points))
    bins = segments.half + 1
    total = tf.reduce_sum(tf.reshape(found, (-1, segments.count, bins)), axis=1)
    twice = np.full(bins, 2)
    twice[[0, -1]] = 1
    return total * constant(twice)


def _log2(values: Any) -> Any:
    """As integer_log2()."""
    values = tf.maximum(values, 1)
    whole = bit_length(values) - 1
    fraction = fraction16(values, whole)
    segment = right(fraction, 9)
    table = constant(arithmetic.LOG_TABLE)
    first, last = tf.gather(table, segment), tf.gather(table, segment + 1)
    between = right((last - first) * (fraction - left(segment, 9)), 9)
    return left(whole, 16) + fraction + first + between
