"""Stages that compute in integers, as TensorFlow operations with the same values.

Items are int64 tensors (clips, items, ...). Integers are exact in eager mode, in a tf.function and
in XLA, which float32 is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.arithmetic import signals as arithmetic
from tflm_ext.signals.frames import FramesBlock, StackBlock
from tflm_ext.signals.log_mel_block import LogMelBlock, Subtraction
from tflm_ext.signals.mel import WEIGHT_BITS
from tflm_ext.signals.microfrontend import MicrofrontendBlock
from tflm_ext.signals.to_int8 import ToInt8

_UINT32_MAX = 2**32 - 1


def frames(block: FramesBlock, samples: Any) -> Any:
    """Cut clips into frames: (clips, samples, channels) to (clips, frames, length, channels)."""
    return tf.signal.frame(samples, block.length, block.hop, axis=1)


def stack(block: StackBlock, rows: Any) -> Any:
    """Put the last rows together: (clips, rows, n) to (clips, items, frames, n)."""
    return tf.signal.frame(rows, block.frames, block.every, axis=1)


def to_int8(block: ToInt8, items: Any) -> Any:
    """Map integers to int8 values."""
    above = tf.clip_by_value(items - block.low, 0, block.span)
    return tf.minimum((above * 256 + block.span // 2) // block.span - 128, 127)


def log_mel(block: LogMelBlock, items: Any) -> Any:
    """Compute log-mel features: (clips, frames, length, 1) to (clips, frames, bands)."""
    clips = tf.shape(items)[0]
    count, bands = items.shape[1], block.stage.bands
    windowed = _window(block, tf.reshape(items, (-1, block.source.shape[0])))
    older = isinstance(block, MicrofrontendBlock)
    bits = _scale_bits_without_lowest(windowed) if older else _scale_bits(windowed)
    scaled = _wrap16(tf.bitwise.left_shift(windowed, bits[:, tf.newaxis]))
    padded = tf.pad(scaled, ((0, 0), (0, block.points - block.source.shape[0])))
    real, imaginary = _rfft(padded, block.points)
    energy = tf.bitwise.bitwise_and(real * real + imaginary * imaginary, _UINT32_MAX)
    roots = tf.bitwise.right_shift(_square_root(_bands(block, energy)), bits[:, tf.newaxis])
    found = tf.reshape(roots, (clips, -1 if count is None else count, bands))
    if block.stage.subtraction is not None:
        found, noise = _subtract(found, block.stage.subtraction, block.shares)
        if block.stage.pcan is not None:
            found = _amplify(block, found, noise)
    return _logarithm(block, found)


OPERATIONS: Mapping[type[Any], Callable[[Any, Any], Any]] = {
    FramesBlock: frames,
    LogMelBlock: log_mel,
    MicrofrontendBlock: log_mel,
    StackBlock: stack,
    ToInt8: to_int8,
}
"""By kind of block, what computes it."""


def _constant(values: Any) -> Any:
    return tf.constant(np.asarray(values), tf.int64)


def _wrap16(values: Any) -> Any:
    return tf.bitwise.bitwise_and(values + 2**15, 2**16 - 1) - 2**15


def _round15(values: Any) -> Any:
    return _wrap16(tf.bitwise.right_shift(values + 2**14, tf.constant(15, tf.int64)))


def _bit_length(values: Any) -> Any:
    """Return the number of bits of integers from 0 to 2**63 - 1."""
    found = tf.zeros_like(values)
    for step in (32, 16, 8, 4, 2, 1):
        upper = tf.bitwise.right_shift(values, tf.constant(step, tf.int64))
        found += tf.where(upper > 0, tf.constant(step, tf.int64), 0)
        values = tf.where(upper > 0, upper, values)
    return found + tf.where(values > 0, tf.constant(1, tf.int64), 0)


def _window(block: LogMelBlock, samples: Any) -> Any:
    products = samples * _constant(block.window)
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
    return tf.where(found > 0, 15 - _bit_length(tf.maximum(found, 0)), 0)


def _scale_bits_without_lowest(windowed: Any) -> Any:
    """As arithmetic.scale_bits_without_lowest()."""
    magnitudes = tf.abs(windowed)
    magnitudes = tf.where(magnitudes > arithmetic.INT16_MAX, tf.zeros_like(windowed), magnitudes)
    return 15 - _bit_length(tf.reduce_max(magnitudes, axis=1))


def _rfft(samples: Any, points: int) -> tuple[Any, Any]:
    """As arithmetic.rfft()."""
    half = points // 2
    order = np.argsort(arithmetic.fft_positions(half))
    pairs = tf.gather(tf.reshape(samples, (-1, half, 2)), order, axis=1)
    real, imaginary = _passes(pairs[..., 0], pairs[..., 1], half)
    halved = 32767 // 2
    k = np.arange(1, half // 2 + 1)
    cosine, sine = map(_constant, arithmetic.twiddles(-np.pi * (k / half + 0.5)))
    first, second = _round15(real[:, :1] * halved), _round15(imaginary[:, :1] * halved)
    a_real, a_imaginary = _round15(_take(real, k) * halved), _round15(_take(imaginary, k) * halved)
    b_real = _round15(_take(real, half - k) * halved)
    b_imaginary = _round15(_wrap16(-_take(imaginary, half - k)) * halved)
    sums = _wrap16(a_real + b_real), _wrap16(a_imaginary + b_imaginary)
    rests = _wrap16(a_real - b_real), _wrap16(a_imaginary - b_imaginary)
    turned = (
        _round15(rests[0] * cosine - rests[1] * sine),
        _round15(rests[0] * sine + rests[1] * cosine),
    )
    # At half / 2 both assignments of the reference meet, and the second one remains.
    low = [_halved(s + t)[:, :-1] for s, t in zip(sums, turned, strict=True)]
    high = [_halved(sums[0] - turned[0])[:, ::-1], _halved(turned[1] - sums[1])[:, ::-1]]
    zero = tf.zeros_like(first)
    return (
        tf.concat([_wrap16(first + second), low[0], high[0], _wrap16(first - second)], 1),
        tf.concat([zero, low[1], high[1], zero], 1),
    )


def _take(values: Any, places: Any) -> Any:
    return tf.gather(values, places, axis=1)


def _halved(values: Any) -> Any:
    return _wrap16(tf.bitwise.right_shift(values, tf.constant(1, tf.int64)))


def _passes(real: Any, imaginary: Any, points: int) -> tuple[Any, Any]:
    """The passes of the complex transform, on values in their order: (n, points)."""
    cosines, sines = arithmetic.twiddles(-2 * np.pi * np.arange(points) / points)
    length = 1
    for radix in reversed(arithmetic.fft_radices(points)):
        groups, divided = points // (length * radix), 32767 // radix
        shape = (-1, groups, radix, length)
        real = tf.reshape(_round15(real * divided), shape)
        imaginary = tf.reshape(_round15(imaginary * divided), shape)
        turned = [(real[:, :, 0], imaginary[:, :, 0])]
        for i in range(1, radix):
            steps = np.arange(length) * groups * i
            c, s = _constant(cosines[steps]), _constant(sines[steps])
            own_real, own_imaginary = real[:, :, i], imaginary[:, :, i]
            turned.append(
                (
                    _round15(own_real * c - own_imaginary * s),
                    _round15(own_real * s + own_imaginary * c),
                )
            )
        combined = _radix_2(turned) if radix == 2 else _radix_4(turned)
        real = tf.reshape(tf.stack([_wrap16(r) for r, _ in combined], 2), (-1, points))
        imaginary = tf.reshape(tf.stack([_wrap16(i) for _, i in combined], 2), (-1, points))
        length *= radix
    return real, imaginary


def _radix_2(parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    (ar, ai), (br, bi) = parts
    return [(ar + br, ai + bi), (ar - br, ai - bi)]


def _radix_4(parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    (ar, ai), (br, bi), (cr, ci), (dr, di) = parts
    sum_ac, rest_ac = (_wrap16(ar + cr), _wrap16(ai + ci)), (_wrap16(ar - cr), _wrap16(ai - ci))
    sum_bd, rest_bd = (_wrap16(br + dr), _wrap16(bi + di)), (_wrap16(br - dr), _wrap16(bi - di))
    return [
        (sum_ac[0] + sum_bd[0], sum_ac[1] + sum_bd[1]),
        (rest_ac[0] + rest_bd[1], rest_ac[1] - rest_bd[0]),
        (sum_ac[0] - sum_bd[0], sum_ac[1] - sum_bd[1]),
        (rest_ac[0] - rest_bd[1], rest_ac[1] + rest_bd[0]),
    ]


def _bands(block: LogMelBlock, energy: Any) -> Any:
    """The sums of every band: (frames, bins) to (frames, bands)."""
    bank = block.bank
    part = energy[:, bank.first : bank.first + bank.bins]
    edges = np.concatenate([[0], np.cumsum(bank.widths)])

    def sums(weights: Any) -> Any:
        total = tf.cumsum(part * _constant(weights), axis=1)
        total = tf.pad(total, ((0, 0), (1, 0)))
        return _take(total, edges[1:]) - _take(total, edges[:-1])

    return sums(bank.weights)[:, 1:] + sums(bank.unweights)[:, :-1]


def _square_root(values: Any) -> Any:
    """As arithmetic.square_root(), for values below 2**62."""
    root = tf.cast(tf.floor(tf.sqrt(tf.cast(values, tf.float64))), tf.int64)
    # Whatever the mode made of the float64 root: it is off by one at most.
    root = tf.where(root * root > values, root - 1, root)
    root = tf.where((root + 1) * (root + 1) <= values, root + 1, root)
    up = (values - root * root > root) & ((values > _UINT32_MAX) | (root != 0xFFFF))
    return tf.where(up, root + 1, root)


def _subtract(bands: Any, options: Subtraction, shares: tuple[int, int, int]) -> tuple[Any, Any]:
    """As subtracted(): (clips, frames, bands), each clip from a fresh start."""
    smoothing, alternate, least = shares
    weights = np.where(np.arange(bands.shape[2]) % 2 == 0, smoothing, alternate)
    own, other = _constant(weights), _constant((1 << options.bits) - weights)
    shift, smooth = (tf.constant(n, tf.int64) for n in (options.bits, options.smoothing_bits))
    scaled = tf.bitwise.bitwise_and(tf.bitwise.left_shift(bands, smooth), _UINT32_MAX)

    def step(noise: Any, signal: Any) -> Any:
        mean = tf.bitwise.right_shift(signal * own + noise * other, shift)
        mean = tf.bitwise.bitwise_and(mean, _UINT32_MAX)
        return tf.minimum(mean, signal) if options.clamping else mean

    first = tf.zeros_like(scaled[:, 0])
    noise = tf.transpose(tf.scan(step, tf.transpose(scaled, (1, 0, 2)), first), (1, 0, 2))
    rest = tf.bitwise.right_shift(scaled - tf.minimum(noise, scaled), smooth)
    floor = tf.bitwise.right_shift(bands * least, shift)
    return tf.maximum(rest, floor), noise


def _amplify(block: LogMelBlock, bands: Any, noise: Any) -> Any:
    """As amplified()."""
    gain, last = _constant(block.gain), len(block.gain) - 1
    interval = _bit_length(noise)
    base = tf.maximum(4 * interval - 6, 0)
    left = tf.bitwise.left_shift(noise, tf.maximum(11 - interval, 0))
    right = tf.bitwise.right_shift(noise, tf.maximum(interval - 11, 0))
    fraction = tf.bitwise.bitwise_and(tf.where(interval < 11, left, right), 0x3FF)

    def coefficient(number: int) -> Any:
        return tf.gather(gain, tf.minimum(base + number, last))

    five = tf.constant(5, tf.int64)
    slope = tf.bitwise.right_shift(coefficient(2) * fraction, five) + coefficient(1) * 32
    curved = _wrap16(
        tf.bitwise.right_shift(slope * fraction + 2**14, tf.constant(15, tf.int64)) + coefficient(0)
    )
    factor = tf.where(noise <= 2, tf.gather(gain, tf.minimum(noise, 2)), curved)
    factor = tf.bitwise.bitwise_and(factor, _UINT32_MAX)
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
    snr = tf.bitwise.bitwise_and(product, _UINT32_MAX)
    small = tf.bitwise.right_shift(
        tf.bitwise.bitwise_and(snr * snr, _UINT32_MAX), tf.constant(20, tf.int64)
    )
    large = tf.bitwise.right_shift(snr, tf.constant(6, tf.int64)) - 64
    return tf.where(snr < 2 << 12, small, large)


def _logarithm(block: LogMelBlock, bands: Any) -> Any:
    """As LogMelBlock.logarithm()."""
    correction = tf.constant(max(block.correction_bits, 0), tf.int64)
    values = tf.bitwise.bitwise_and(tf.bitwise.left_shift(bands, correction), _UINT32_MAX)
    safe = tf.maximum(values, 1)
    whole = _bit_length(safe) - 1
    fraction = safe - tf.bitwise.left_shift(tf.ones_like(safe), whole)
    fraction = tf.where(
        whole < 16,
        tf.bitwise.left_shift(fraction, tf.maximum(16 - whole, 0)),
        tf.bitwise.right_shift(fraction, tf.maximum(whole - 16, 0)),
    )
    segment = tf.bitwise.right_shift(fraction, tf.constant(9, tf.int64))
    table, sixteen = _constant(arithmetic.LOG_TABLE), tf.constant(16, tf.int64)
    low, high = tf.gather(table, segment), tf.gather(table, tf.minimum(segment + 1, 128))
    above = tf.bitwise.right_shift((high - low) * (fraction - segment * 512), sixteen)
    log2 = tf.bitwise.left_shift(whole, sixteen) + fraction + low + above
    natural = tf.bitwise.right_shift(45426 * log2 + 32768, sixteen)
    scaled = tf.bitwise.bitwise_and(natural * (1 << block.stage.log_bits) + 32768, _UINT32_MAX)
    found = tf.bitwise.right_shift(scaled, sixteen)
    return tf.where(values > 1, tf.minimum(found, arithmetic.INT16_MAX), 0)
