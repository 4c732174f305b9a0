"""The int16 Fourier transform, as TensorFlow operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.arithmetic import signals as arithmetic
from tflm_ext.sense.operations.integers import UINT32_MAX, constant, round15, take, wrap16


def rfft(samples: Any, points: int) -> tuple[Any, Any]:
    """As arithmetic.rfft()."""
    half = points // 2
    order = np.argsort(arithmetic.fft_positions(half))
    pairs = tf.gather(tf.reshape(samples, (-1, half, 2)), order, axis=1)
    real, imaginary = _passes(pairs[..., 0], pairs[..., 1], half)
    halved = 32767 // 2
    k = np.arange(1, half // 2 + 1)
    cosine, sine = map(constant, arithmetic.twiddles(-np.pi * (k / half + 0.5)))
    first, second = round15(real[:, :1] * halved), round15(imaginary[:, :1] * halved)
    a_real, a_imaginary = round15(take(real, k) * halved), round15(take(imaginary, k) * halved)
    b_real = round15(take(real, half - k) * halved)
    b_imaginary = round15(wrap16(-take(imaginary, half - k)) * halved)
    sums = wrap16(a_real + b_real), wrap16(a_imaginary + b_imaginary)
    rests = wrap16(a_real - b_real), wrap16(a_imaginary - b_imaginary)
    turned = (
        round15(rests[0] * cosine - rests[1] * sine),
        round15(rests[0] * sine + rests[1] * cosine),
    )
    # At half / 2 both assignments of the reference meet, and the second one remains.
    low = [_halved(s + t)[:, :-1] for s, t in zip(sums, turned, strict=True)]
    high = [_halved(sums[0] - turned[0])[:, ::-1], _halved(turned[1] - sums[1])[:, ::-1]]
    zero = tf.zeros_like(first)
    return (
        tf.concat([wrap16(first + second), low[0], high[0], wrap16(first - second)], 1),
        tf.concat([zero, low[1], high[1], zero], 1),
    )


def energy(real: Any, imaginary: Any) -> Any:
    """As arithmetic.energy()."""
    return tf.bitwise.bitwise_and(real * real + imaginary * imaginary, UINT32_MAX)


def _halved(values: Any) -> Any:
    return wrap16(tf.bitwise.right_shift(values, tf.constant(1, tf.int64)))


def _passes(real: Any, imaginary: Any, points: int) -> tuple[Any, Any]:
    """The passes of the complex transform, on values in their order: (n, points)."""
    cosines, sines = arithmetic.twiddles(-2 * np.pi * np.arange(points) / points)
    length = 1
    for radix in reversed(arithmetic.fft_radices(points)):
        groups, divided = points // (length * radix), 32767 // radix
        shape = (-1, groups, radix, length)
        real = tf.reshape(round15(real * divided), shape)
        imaginary = tf.reshape(round15(imaginary * divided), shape)
        turned = [(real[:, :, 0], imaginary[:, :, 0])]
        for i in range(1, radix):
            steps = np.arange(length) * groups * i
            c, s = constant(cosines[steps]), constant(sines[steps])
            own_real, own_imaginary = real[:, :, i], imaginary[:, :, i]
            turned.append(
                (
                    round15(own_real * c - own_imaginary * s),
                    round15(own_real * s + own_imaginary * c),
                )
            )
        combined = _radix_2(turned) if radix == 2 else _radix_4(turned)
        real = tf.reshape(tf.stack([wrap16(r) for r, _ in combined], 2), (-1, points))
        imaginary = tf.reshape(tf.stack([wrap16(i) for _, i in combined], 2), (-1, points))
        length *= radix
    return real, imaginary


def _radix_2(parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    (ar, ai), (br, bi) = parts
    return [(ar + br, ai + bi), (ar - br, ai - bi)]


def _radix_4(parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    (ar, ai), (br, bi), (cr, ci), (dr, di) = parts
    sum_ac, rest_ac = (wrap16(ar + cr), wrap16(ai + ci)), (wrap16(ar - cr), wrap16(ai - ci))
    sum_bd, rest_bd = (wrap16(br + dr), wrap16(bi + di)), (wrap16(br - dr), wrap16(bi - di))
    return [
        (sum_ac[0] + sum_bd[0], sum_ac[1] + sum_bd[1]),
        (rest_ac[0] + rest_bd[1], rest_ac[1] - rest_bd[0]),
        (sum_ac[0] - sum_bd[0], sum_ac[1] - sum_bd[1]),
        (rest_ac[0] - rest_bd[1], rest_ac[1] + rest_bd[0]),
    ]
