"""LogMel and the older microfrontend, as TensorFlow operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.arithmetic import signals as arithmetic
from tflm_ext.sense.operations.fourier import energy, rfft
from tflm_ext.sense.operations.integers import (
    UINT32_MAX,
    band_sums,
    bit_length,
    constant,
    fraction16,
    wrap16,
)
from tflm_ext.signals.log_mel_block import LogMelBlock, Subtraction
from tflm_ext.signals.mel import WEIGHT_BITS
from tflm_ext.signals.microfrontend import MicrofrontendBlock


def log_mel(block: LogMelBlock, items: Any) -> Any:
    """Compute log-mel features: (clips, frames, length, 1) to (clips, frames, bands)."""
    clips = tf.shape(items)[0]
    count, bands = items.shape[1], block.stage.bands
    windowed = _window(block, tf.reshape(items, (-1, block.source.shape[0])))
    older = isinstance(block, MicrofrontendBlock)
    bits = _scale_bits_without_lowest(windowed) if older else _scale_bits(windowed)
    scaled = wrap16(tf.bitwise.left_shift(windowed, bits[:, tf.newaxis]))
    padded = tf.pad(scaled, ((0, 0), (0, block.points - block.source.shape[0])))
    powers = energy(*rfft(padded, block.points))
    roots = tf.bitwise.right_shift(_square_root(_bands(block, powers)), bits[:, tf.newaxis])
    found = tf.reshape(roots, (clips, -1 if count is None else count, bands))
    if block.stage.subtraction is not None:
        found, noise = _subtract(found, block.stage.subtraction, block.shares)
        if block.stage.pcan is not None:
            found = _amplify(block, found, noise)
    return _logarithm(block, found)


def _window(block: LogMelBlock, samples: Any) -> Any:
    products = samples * constant(block.window)
    shifted = tf.bitwise.right_shift(products, tf.constant(WEIGHT_BITS, tf.int64))
    return tf.clip_by_value(shifted, arithmetic.INT16_MIN, arithmetic.INT16_MAX)


def _scale_bits(windowed: Any) -> Any:
    """As arithmetic.scale_bits(); a largest magnitude of 32768 starts the search again."""

    # The state after -32768 is the last value that is larger than all between: follow it in order.
    def follow(largest: Any, value: Any) -> Any:
        down = tf.where(value == -(2**15), value, -value)
        lower = tf.where(-value > largest, down, largest)
        return tf.where(value > largest, value, lower)

    largest = tf.reduce_max(tf.abs(windowed), axis=1)
    start = tf.zeros_like(largest)
    steps = tf.transpose(windowed)
    count = windowed.shape[1]
    followed = tf.cond(
        tf.reduce_any(largest > arithmetic.INT16_MAX),
        lambda: tf.while_loop(
            lambda i, _: i < count,
            lambda i, state: (i + 1, follow(state, steps[i])),
            (tf.constant(0), start),
            shape_invariants=(tf.TensorShape(()), start.shape),
        )[1],
        lambda: largest,
    )
    found = tf.where(largest > arithmetic.INT16_MAX, followed, largest)
    return tf.where(found > 0, 15 - bit_length(tf.maximum(found, 0)), 0)


def _scale_bits_without_lowest(windowed: Any) -> Any:
    """As arithmetic.scale_bits_without_lowest()."""
    magnitudes = tf.abs(windowed)
    magnitudes = tf.where(magnitudes > arithmetic.INT16_MAX, tf.zeros_like(windowed), magnitudes)
    return 15 - bit_length(tf.reduce_max(magnitudes, axis=1))


def _bands(block: LogMelBlock, powers: Any) -> Any:
    """The sums of every band: (frames, bins) to (frames, bands)."""
    bank = block.bank
    part = powers[:, bank.first : bank.first + bank.bins]
    edges = np.concatenate([[0], np.cumsum(bank.widths)])
    rising = band_sums(part * constant(bank.weights), edges)
    falling = band_sums(part * constant(bank.unweights), edges)
    return rising[:, 1:] + falling[:, :-1]


def _square_root(values: Any) -> Any:
    """As arithmetic.square_root(), for values below 2**62."""
    root = tf.cast(tf.floor(tf.sqrt(tf.cast(values, tf.float64))), tf.int64)
    # Whatever the mode made of the float64 root: it is off by one at most.
    root = tf.where(root * root > values, root - 1, root)
    root = tf.where((root + 1) * (root + 1) <= values, root + 1, root)
    up = (values - root * root > root) & ((values > UINT32_MAX) | (root != 0xFFFF))
    return tf.where(up, root + 1, root)


def _subtract(bands: Any, options: Subtraction, shares: tuple[int, int, int]) -> tuple[Any, Any]:
    """As subtracted(): (clips, frames, bands), each clip from a fresh start."""
    smoothing, alternate, least = shares
    weights = np.where(np.arange(bands.shape[2]) % 2 == 0, smoothing, alternate)
    own, other = constant(weights), constant((1 << options.bits) - weights)
    shift, smooth = (tf.constant(n, tf.int64) for n in (options.bits, options.smoothing_bits))
    scaled = tf.bitwise.bitwise_and(tf.bitwise.left_shift(bands, smooth), UINT32_MAX)

    def step(noise: Any, signal: Any) -> Any:
        mean = tf.bitwise.right_shift(signal * own + noise * other, shift)
        mean = tf.bitwise.bitwise_and(mean, UINT32_MAX)
        return tf.minimum(mean, signal) if options.clamping else mean

    first = tf.zeros_like(scaled[:, 0])
    noise = tf.transpose(tf.scan(step, tf.transpose(scaled, (1, 0, 2)), first), (1, 0, 2))
    rest = tf.bitwise.right_shift(scaled - tf.minimum(noise, scaled), smooth)
    floor = tf.bitwise.right_shift(bands * least, shift)
    return tf.maximum(rest, floor), noise


def _amplify(block: LogMelBlock, bands: Any, noise: Any) -> Any:
    """As amplified()."""
    gain, last = constant(block.gain), len(block.gain) - 1
    interval = bit_length(noise)
    base = tf.maximum(4 * interval - 6, 0)
    left = tf.bitwise.left_shift(noise, tf.maximum(11 - interval, 0))
    right = tf.bitwise.right_shift(noise, tf.maximum(interval - 11, 0))
    fraction = tf.bitwise.bitwise_and(tf.where(interval < 11, left, right), 0x3FF)

    def coefficient(number: int) -> Any:
        return tf.gather(gain, tf.minimum(base + number, last))

    five = tf.constant(5, tf.int64)
    slope = tf.bitwise.right_shift(coefficient(2) * fraction, five) + coefficient(1) * 32
    curved = wrap16(
        tf.bitwise.right_shift(slope * fraction + 2**14, tf.constant(15, tf.int64)) + coefficient(0)
    )
    factor = tf.where(noise <= 2, tf.gather(gain, tf.minimum(noise, 2)), curved)
    factor = tf.bitwise.bitwise_and(factor, UINT32_MAX)
    # A negative gain wraps to almost 2**32; the product is then that of unsigned numbers.
    high = tf.bitwise.right_shift(factor, tf.constant(16, tf.int64)) * bands
    low = tf.bitwise.bitwise_and(factor, 0xFFFF) * bands
    shift = tf.constant(block.snr_shift, tf.int64)
    if block.snr_shift <= 16:
        upper = tf.bitwise.left_shift(high, 16 - shift)
        product = upper + tf.bitwise.right_shift(low, shift)
    else:
        product = tf.bitwise.right_shift(
            high + tf.bitwise.right_shift(low, tf.constant(16, tf.int64)), shift - 16
        )
    snr = tf.bitwise.bitwise_and(product, UINT32_MAX)
    small = tf.bitwise.right_shift(
        tf.bitwise.bitwise_and(snr * snr, UINT32_MAX), tf.constant(20, tf.int64)
    )
    large = tf.bitwise.right_shift(snr, tf.constant(6, tf.int64)) - 64
    return tf.where(snr < 2 << 12, small, large)


def _logarithm(block: LogMelBlock, bands: Any) -> Any:
    """As LogMelBlock.logarithm()."""
    correction = tf.constant(max(block.correction_bits, 0), tf.int64)
    values = tf.bitwise.bitwise_and(tf.bitwise.left_shift(bands, correction), UINT32_MAX)
    safe = tf.maximum(values, 1)
    whole = bit_length(safe) - 1
    fraction = fraction16(safe, whole)
    segment = tf.bitwise.right_shift(fraction, tf.constant(9, tf.int64))
    table, sixteen = constant(arithmetic.LOG_TABLE), tf.constant(16, tf.int64)
    low, high = tf.gather(table, segment), tf.gather(table, tf.minimum(segment + 1, 128))
    above = tf.bitwise.right_shift((high - low) * (fraction - segment * 512), sixteen)
    log2 = tf.bitwise.left_shift(whole, sixteen) + fraction + low + above
    natural = tf.bitwise.right_shift(45426 * log2 + 32768, sixteen)
    scaled = tf.bitwise.bitwise_and(natural * (1 << block.stage.log_bits) + 32768, UINT32_MAX)
    found = tf.bitwise.right_shift(scaled, sixteen)
    return tf.where(values > 1, tf.minimum(found, arithmetic.INT16_MAX), 0)
