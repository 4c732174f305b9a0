"""Integer arithmetic of TensorFlow Lite Micro's signal library, bit for bit.

Functions work on many frames at once: the first axis of every array is that of the frames. Integer
arrays hold the values of C in int64, and wrap16() and the like reduce them to the range of the
C type. Tests compare every function with TFLM's interpreter.

Source of the arithmetic: the operators Signal* of TensorFlow Lite Micro, and for the Fourier
transform the fixed-point form of KISS FFT that they contain.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
_UINT32_MAX = 2**32 - 1


def wrap16(values: Array) -> Array:
    """Reduce to int16 as two's complement does; the result is int64."""
    return values.astype(np.int16).astype(np.int64)


def wrap_uint32(values: Array) -> Array:
    """Reduce modulo 2**32; the result is int64."""
    return values & _UINT32_MAX


def bit_length(values: Array) -> Array:
    """Return the number of bits of non-negative integers below 2**53; 0 for 0.

    Example:
        >>> bit_length(np.array([0, 1, 2, 255, 256]))
        array([0, 1, 2, 8, 9])
    """
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


# ---------------------------------------------------------------- window and scale


def apply_window(frames: Array, weights: Array, shift: int) -> Array:
    """Multiply frames by window weights, and saturate to int16; rounds down.

    Args:
        frames: int16 values, (frames, length).
        weights: (length,), scaled by 2**shift.
    """
    products = frames.astype(np.int64) * weights.astype(np.int64)
    return np.clip(products >> shift, INT16_MIN, INT16_MAX)


def scale_bits(windowed: Array) -> Array:
    """Return by how many bits each frame can be shifted left without overflow.

    TFLM looks for the largest magnitude in an int16. -32768 does not fit: it makes the maximum
    negative, and the search starts again from there. Frames that contain -32768 are searched like
    that.

    Args:
        windowed: int16 values, (frames, length).

    Returns:
        (frames,), 0 to 15.
    """
    largest = np.abs(windowed).max(axis=1)
    bits = np.maximum(15 - bit_length(largest), 0)
    bits[largest == 0] = 0  # TFLM counts 32 bits for 0
    for frame in np.flatnonzero(largest > INT16_MAX):
        bits[frame] = _sequential_scale_bits(windowed[frame])
    return bits


def _sequential_scale_bits(values: Array) -> int:
    largest = 0
    for value in values.tolist():
        if value > largest:
            largest = value
        elif -value > largest:
            largest = INT16_MIN if value == INT16_MIN else -value
    return 0 if largest <= 0 else max(15 - largest.bit_length(), 0)


def scale_bits_without_lowest(windowed: Array) -> Array:
    """Return by how many bits the older microfrontend shifts each frame left.

    It leaves -32768 out of the search for the largest magnitude; the shift makes it 0 or keeps it.

    Args:
        windowed: int16 values, (frames, length).

    Returns:
        (frames,), 0 to 15.
    """
    magnitudes = np.abs(windowed)
    magnitudes[magnitudes > INT16_MAX] = 0
    return 15 - bit_length(magnitudes.max(axis=1))


# ---------------------------------------------------------------- Fourier transform


@functools.cache
def fft_radices(points: int) -> tuple[int, ...]:
    """Return the radices of a complex transform, outermost first: as many 4 as possible, then 2."""
    radices = []
    while points > 1:
        radix = 4 if points % 4 == 0 else 2
        radices.append(radix)
        points //= radix
    return tuple(radices)


@functools.cache
def fft_positions(points: int) -> Array:
    """Return where each input of the complex transform goes before its first pass."""
    positions = np.zeros(points, np.int64)
    for source in range(points):
        rest, span, position = source, points, 0
        for radix in fft_radices(points):
            span //= radix
            position += (rest % radix) * span
            rest //= radix
        positions[source] = position
    return positions


def twiddles(phase: Array) -> tuple[Array, Array]:
    """Return cosine and sine times 32767, rounded to nearest, halves up."""
    cosine = np.floor(0.5 + 32767 * np.cos(phase)).astype(np.int64)
    sine = np.floor(0.5 + 32767 * np.sin(phase)).astype(np.int64)
    return cosine, sine


def round15(values: Array) -> Array:
    """Return values / 2**15, halves up, wrapped to int16."""
    return wrap16((values + (1 << 14)) >> 15)


def rfft(samples: Array) -> tuple[Array, Array]:
    """Transform real int16 samples; the result is divided by their number.

    Args:
        samples: (frames, points); points is a power of two, at least 4.

    Returns:
        Real and imaginary parts, (frames, points / 2 + 1), int16 values.
    """
    half = samples.shape[1] // 2
    # Here, frames are the last axis: passes then work on contiguous memory.
    real, imaginary = _complex_fft(
        samples[:, 0::2].T.astype(np.int64), samples[:, 1::2].T.astype(np.int64)
    )
    out_real = np.zeros((half + 1, samples.shape[0]), np.int64)
    out_imaginary = out_real.copy()
    halved = 32767 // 2
    first, second = round15(real[0] * halved), round15(imaginary[0] * halved)
    out_real[0], out_real[half] = wrap16(first + second), wrap16(first - second)
    k = np.arange(1, half // 2 + 1)
    cosine, sine = twiddles(-np.pi * (k / half + 0.5))
    cosine, sine = cosine[:, np.newaxis], sine[:, np.newaxis]
    a_real, a_imaginary = round15(real[k] * halved), round15(imaginary[k] * halved)
    # The conjugate is taken before the multiplication, which rounds halves up.
    b_real = round15(real[half - k] * halved)
    b_imaginary = round15(wrap16(-imaginary[half - k]) * halved)
    sum_real, sum_imaginary = wrap16(a_real + b_real), wrap16(a_imaginary + b_imaginary)
    rest_real, rest_imaginary = wrap16(a_real - b_real), wrap16(a_imaginary - b_imaginary)
    turned_real = round15(rest_real * cosine - rest_imaginary * sine)
    turned_imaginary = round15(rest_real * sine + rest_imaginary * cosine)
    out_real[k] = (sum_real + turned_real) >> 1
    out_imaginary[k] = (sum_imaginary + turned_imaginary) >> 1
    out_real[half - k] = (sum_real - turned_real) >> 1
    out_imaginary[half - k] = (turned_imaginary - sum_imaginary) >> 1
    return wrap16(out_real).T, wrap16(out_imaginary).T


def _complex_fft(even: Array, odd: Array) -> tuple[Array, Array]:
    """Transform complex values whose parts are given, (points, frames)."""
    points, frames = even.shape
    positions = fft_positions(points)
    real, imaginary = np.empty_like(even), np.empty_like(odd)
    real[positions], imaginary[positions] = even, odd
    cosines, sines = twiddles(-2 * np.pi * np.arange(points) / points)
    length = 1
    for radix in reversed(fft_radices(points)):
        groups, divided = points // (length * radix), 32767 // radix
        shape = (groups, radix, length, frames)
        real = round15(real * divided).reshape(shape)
        imaginary = round15(imaginary * divided).reshape(shape)
        turned = [(real[:, 0], imaginary[:, 0])]
        for i in range(1, radix):
            steps = np.arange(length) * groups * i
            c, s = cosines[steps][:, np.newaxis], sines[steps][:, np.newaxis]
            turned.append(
                (
                    round15(real[:, i] * c - imaginary[:, i] * s),
                    round15(real[:, i] * s + imaginary[:, i] * c),
                )
            )
        combined = _radix_2(turned) if radix == 2 else _radix_4(turned)
        real = wrap16(np.stack([r for r, _ in combined], 1)).reshape(points, frames)
        imaginary = wrap16(np.stack([i for _, i in combined], 1)).reshape(points, frames)
        length *= radix
    return real, imaginary


def _radix_2(parts: list[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
    (ar, ai), (br, bi) = parts
    return [(ar + br, ai + bi), (ar - br, ai - bi)]


def _radix_4(parts: list[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
    (ar, ai), (br, bi), (cr, ci), (dr, di) = parts
    sum_ac, rest_ac = (wrap16(ar + cr), wrap16(ai + ci)), (wrap16(ar - cr), wrap16(ai - ci))
    sum_bd, rest_bd = (wrap16(br + dr), wrap16(bi + di)), (wrap16(br - dr), wrap16(bi - di))
    return [
        (sum_ac[0] + sum_bd[0], sum_ac[1] + sum_bd[1]),
        (rest_ac[0] + rest_bd[1], rest_ac[1] - rest_bd[0]),
        (sum_ac[0] - sum_bd[0], sum_ac[1] - sum_bd[1]),
        (rest_ac[0] - rest_bd[1], rest_ac[1] + rest_bd[0]),
    ]


def energy(real: Array, imaginary: Array) -> Array:
    """Return the squared magnitudes of int16 parts, as uint32 values."""
    return wrap_uint32(real * real + imaginary * imaginary)


# ---------------------------------------------------------------- root and logarithm


def square_root(values: Array) -> Array:
    """Return rounded square roots: up if the rest is larger than the root.

    The largest root of values below 2**32 is 65535, of others 2**32 - 1.

    Args:
        values: uint64.

    Returns:
        uint64 array with uint32 values.

    Example:
        >>> square_root(np.array([0, 2, 3, 6, 7, 2**32 - 1, 2**64 - 1], np.uint64)).tolist()
        [0, 1, 2, 2, 3, 65535, 4294967295]
    """
    one = np.uint64(1)
    root = np.floor(np.sqrt(values.astype(np.float64))).astype(np.uint64)
    root = np.minimum(root, np.uint64(_UINT32_MAX))
    root = np.where(root * root > values, root - one, root)
    fits = (root < _UINT32_MAX) & ((root + one) * (root + one) <= values)
    root = np.where(fits, root + one, root)
    largest = np.where(values >> np.uint64(32) == 0, np.uint64(0xFFFF), np.uint64(_UINT32_MAX))
    return np.where((values - root * root > root) & (root != largest), root + one, root)


LOG_TABLE: Array = np.round(
    65536 * (np.log2(1 + np.arange(129) / 128) - np.arange(129) / 128)
).astype(np.int64)
"""How far log2(1 + i / 128) is above the straight line, times 2**16."""


def scaled_log(values: Array, scale: int) -> Array:
    """Return scale * ln(value), interpolated linearly in LOG_TABLE.

    Args:
        values: uint32 values, at least 1.
        scale: below 2**31.

    Returns:
        uint32 values in int64.
    """
    whole = bit_length(values) - 1
    fraction = values - (np.int64(1) << whole)
    fraction = np.where(
        whole < 16, fraction << np.maximum(16 - whole, 0), fraction >> np.maximum(whole - 16, 0)
    )
    segment = fraction >> 9
    low, high = LOG_TABLE[segment], LOG_TABLE[np.minimum(segment + 1, 128)]
    log2 = (whole << 16) + fraction + low + (((high - low) * (fraction - (segment << 9))) >> 16)
    natural = (45426 * log2 + 32768) >> 16
    return wrap_uint32(scale * natural + 32768) >> 16
