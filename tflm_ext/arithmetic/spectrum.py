"""Spectra of frames: with the int16 Fourier transform, or in float32 in a fixed order.

The first axis of every array is that of the frames. A power is the mean square of what a bin holds
of a signal, so all bins together have the mean square of the signal; a Hann window is accounted
for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.arithmetic import signals

Array: TypeAlias = np.ndarray[Any, Any]

WINDOW_BITS = 15
LOG_BITS = 8
"""Fraction bits of the logarithm to base 2 of powers, as int16."""
DECIBELS = 10 * math.log10(2)
"""Of a doubled power."""
LOG2 = (
    -0.14620353281497955,
    0.2342098504304886,
    -0.24882180988788605,
    0.28707560896873474,
    -0.36024197936058044,
    0.4809240400791168,
    -0.721352756023407,
    1.442694902420044,
)
"""log2(1 + f) / f by powers of f, the highest first; error of log2 1.5e-7 from 0.7 to 1.4."""


@dataclass(frozen=True)
class Segments:
    """How a frame is cut for the transform.

    Attributes:
        length: samples of a segment; zeros follow them up to `points`.
        points: of the transform, a power of two.
        step: from a segment to the next.
        count: of the segments.
    """

    length: int
    points: int
    step: int
    count: int

    @classmethod
    def of(cls, frame: int, points: int) -> Segments:
        """Return segments of `points` samples that overlap by half, or the frame and zeros."""
        step = points // 2
        return cls(min(frame, points), points, step, max(frame - points, 0) // step + 1)

    def cut(self, frames: Array) -> Iterator[Array]:
        """Yield the segments of (frames, samples)."""
        for start in range(0, self.count * self.step, self.step):
            yield frames[:, start : start + self.length]

    @property
    def half(self) -> int:
        """Points of the complex transform; the bins are one more."""
        return self.points // 2


def hann(length: int) -> Array:
    """Return a Hann window, symmetric, without zeros at its ends: (length,), float64."""
    return 0.5 - 0.5 * np.cos(2 * np.pi / length * (np.arange(length) + 0.5))


# ---------------------------------------------------------------- int16


def integer_window(length: int) -> Array:
    """Return a Hann window, times 2**15 - 1."""
    return np.floor(hann(length) * 32767 + 0.5).astype(np.int64)


def integer_gain(segments: Segments) -> float:
    """Return the power, in counts squared, that a sum of integer_powers() stands for, per unit."""
    window = integer_window(segments.length) / 2.0**WINDOW_BITS
    return segments.points / float((window * window).sum()) / segments.count


def integer_powers(frames: Array, segments: Segments) -> tuple[Array, Array]:
    """Return twice the energy of every bin, and once that of the first and the last.

    Args:
        frames: int16 values, (frames, samples).

    Returns:
        (frames, bins), int64, sums over segments; (frames,), bits by which the samples were shifted
        left, so that the powers have twice as many fraction bits.
    """
    window = integer_window(segments.length)
    bits = np.maximum(15 - signals.bit_length(np.abs(frames).max(1)), 0)
    total = np.zeros((len(frames), segments.half + 1), np.int64)
    for part in segments.cut(frames << bits[:, np.newaxis]):
        windowed = (part * window + (1 << (WINDOW_BITS - 1))) >> WINDOW_BITS
        padded = np.pad(windowed, ((0, 0), (0, segments.points - segments.length)))
        total += signals.energy(*signals.rfft(padded))
    doubled = 2 * total
    doubled[:, [0, -1]] = total[:, [0, -1]]
    return doubled, bits


def band_sums(values: Array, edges: Sequence[int]) -> Array:
    """Add up neighbouring bins: those from each edge on and before the next; exact integers."""
    return np.add.reduceat(values[:, : edges[-1]], edges[:-1], axis=1)


def integer_log2(values: Array) -> Array:
    """Return log2 with 16 fraction bits, interpolated in signals.LOG_TABLE; that of 1 for 0."""
    values = np.maximum(values, 1)
    whole = signals.bit_length(values) - 1
    low = values - (np.int64(1) << whole)
    fraction = np.where(
        whole < 16, low << np.maximum(16 - whole, 0), low >> np.maximum(whole - 16, 0)
    )
    segment = fraction >> 9
    left, right = signals.LOG_TABLE[segment], signals.LOG_TABLE[segment + 1]
    return (whole << 16) + fraction + left + (((right - left) * (fraction & 511)) >> 9)


def integer_levels(sums: Array, bits: Array, offset: int, least: int) -> Array:
    """Return log2 of powers with LOG_BITS fraction bits, int16.

    Args:
        sums, bits: powers, (frames, n), and how they were shifted, (frames,).
        offset: log2 of the power that a sum of 1 stands for, with 16 fraction bits.
        least: the smallest result.
    """
    logarithm = integer_log2(sums) + offset - (bits[:, np.newaxis] << 17)
    rounded = (logarithm + (1 << (15 - LOG_BITS))) >> (16 - LOG_BITS)
    return np.clip(rounded, least, signals.INT16_MAX).astype(np.int16)


def integer_reals(sums: Array, bits: Array, gain: np.float32) -> Array:
    """Return sums / 2**(2 * bits) * gain, float32."""
    shrunk = np.float32(1) / (np.int64(1) << bits).astype(np.float32)
    shrunk = (shrunk * shrunk)[:, np.newaxis]
    return (sums.astype(np.float32) * shrunk) * gain


# ---------------------------------------------------------------- float32


def real_window(segments: Segments, scale: float) -> Array:
    """Return a Hann window, float32, after which real_powers() are in the unit squared.

    Args:
        scale: real value of a count.
    """
    window = hann(segments.length)
    energy = float((window * window).sum())
    # real_powers() has 4 |X|^2, of which a bin and its mirror image have half.
    factor = scale * math.sqrt(0.5 / (segments.points * energy * segments.count))
    return (window * factor).astype(np.float32)


def first_places(half: int) -> Array:
    """Return the first number of each butterfly of the first pass: its others follow at steps of
    half / radix.
    """
    source = np.argsort(signals.fft_positions(half))
    return source[:: signals.fft_radices(half)[-1]]


def real_turns(half: int) -> Array:
    """Return the factors of all passes that turn, float32: (places, 6), cosines and sines."""
    found, length = [np.zeros((0, 6))], 1
    for radix in reversed(signals.fft_radices(half)):
        if length > 1:
            powers = np.arange(1, length)[:, np.newaxis] * np.array([1, 2, 3])
            angles = 2 * np.pi / (4 * length) * powers
            found.append(np.stack([np.cos(angles), np.sin(angles)], 2).reshape(-1, 6))
        length *= radix
    return np.concatenate(found).astype(np.float32)


def real_split(half: int) -> Array:
    """Return the factors of the bins of a real transform, float32: (half / 2 - 1, 2)."""
    angles = np.pi / half * np.arange(1, half // 2)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def real_powers(segment: Array, window: Array, points: int) -> Array:
    """Return 4 |X|^2 of every bin of a segment, but 2 |X|^2 of the first and the last.

    Args:
        segment: integers, (frames, length).
        window: float32, (length,).

    Returns:
        (frames, points / 2 + 1), float32.
    """
    half = points // 2
    weighted = segment.astype(np.float32) * window
    padded = np.pad(weighted, ((0, 0), (0, points - segment.shape[1])))
    # Here, frames are the last axis.
    re, im = _complex_fft(padded[:, 0::2].T, padded[:, 1::2].T)
    power = np.zeros((half + 1, len(segment)), np.float32)
    first, last = re[0] + im[0], re[0] - im[0]
    power[0], power[half] = first * first + first * first, last * last + last * last
    middle = half // 2
    power[middle] = _power(re[middle] + re[middle], im[middle] + im[middle])
    k = np.arange(1, middle)
    c, s = real_split(half).T[:, :, np.newaxis]
    even_re, even_im = re[k] + re[half - k], im[k] - im[half - k]
    odd_re, odd_im = im[k] + im[half - k], re[k] - re[half - k]
    turned_re, turned_im = c * odd_re - s * odd_im, c * odd_im + s * odd_re
    power[k] = _power(even_re + turned_re, even_im - turned_im)
    power[half - k] = _power(even_re - turned_re, even_im + turned_im)
    return power.T


def _power(re: Array, im: Array) -> Array:
    return re * re + im * im


def _complex_fft(even: Array, odd: Array) -> tuple[Array, Array]:
    half = len(even)
    positions = signals.fft_positions(half)
    re, im = np.empty_like(even), np.empty_like(odd)
    re[positions], im[positions] = even, odd
    turns, length = real_turns(half), 1
    for radix in reversed(signals.fft_radices(half)):
        shape = (half // (length * radix), radix, length, -1)
        re, im = re.reshape(shape), im.reshape(shape)
        parts = [(re[:, i].copy(), im[:, i].copy()) for i in range(radix)]
        if length > 1:
            own, turns = turns[: length - 1], turns[length - 1 :]
            parts = [
                parts[0],
                *(_turned(x, own[:, 2 * i : 2 * i + 2]) for i, x in enumerate(parts[1:])),
            ]
        combined = _radix_2(*parts) if radix == 2 else _radix_4(*parts)
        re = np.stack([r for r, _ in combined], 1).reshape(half, -1)
        im = np.stack([i for _, i in combined], 1).reshape(half, -1)
        length *= radix
    return re, im


_Complex: TypeAlias = tuple[Array, Array]


def _turned(part: _Complex, factors: Array) -> _Complex:
    """Multiply all numbers but the first of each group by cosine - i sine."""
    re, im = part
    c, s = factors.T[:, :, np.newaxis]
    x, y = re[:, 1:].copy(), im[:, 1:].copy()
    re[:, 1:], im[:, 1:] = x * c + y * s, y * c - x * s
    return re, im


def _radix_2(a: _Complex, b: _Complex) -> list[_Complex]:
    return [(a[0] + b[0], a[1] + b[1]), (a[0] - b[0], a[1] - b[1])]


def _radix_4(a: _Complex, b: _Complex, c: _Complex, d: _Complex) -> list[_Complex]:
    sum_ac, rest_ac = (a[0] + c[0], a[1] + c[1]), (a[0] - c[0], a[1] - c[1])
    sum_bd, rest_bd = (b[0] + d[0], b[1] + d[1]), (b[0] - d[0], b[1] - d[1])
    return [
        (sum_ac[0] + sum_bd[0], sum_ac[1] + sum_bd[1]),
        (rest_ac[0] + rest_bd[1], rest_ac[1] - rest_bd[0]),
        (sum_ac[0] - sum_bd[0], sum_ac[1] - sum_bd[1]),
        (rest_ac[0] - rest_bd[1], rest_ac[1] + rest_bd[0]),
    ]


def real_band_powers(
    frames: Array, segments: Segments, window: Array, edges: Sequence[int]
) -> Array:
    """Return the powers of bands, float32: bins are added one by one, segment by segment.

    Args:
        frames: integers, (frames, samples).
        edges: see band_sums().
    """
    total = np.zeros((len(frames), len(edges) - 1), np.float32)
    for segment in segments.cut(frames):
        power = real_powers(segment, window, segments.points)
        for band, (begin, end) in enumerate(itertools.pairwise(edges)):
            for k in range(begin, end):
                total[:, band] += power[:, k]
    return total


def real_log2(values: Array) -> Array:
    """Return log2 of positive normal float32 numbers, as float32."""
    bits = values.view(np.int32) - np.int32(0x3F3504F3)  # of the root of 1/2
    whole = (bits >> 23).astype(np.float32)
    mantissa = (bits & np.int32(0x7FFFFF)) + np.int32(0x3F3504F3)
    f = mantissa.view(np.float32) - np.float32(1)
    found = np.full_like(f, LOG2[0])
    for factor in LOG2[1:]:
        found = found * f + np.float32(factor)
    return f * found + whole


def real_levels(powers: Array, least: np.float32) -> Array:
    """Return powers in decibels, float32; at least that of `least`, a normal number."""
    return real_log2(np.maximum(powers, least)) * np.float32(DECIBELS)
