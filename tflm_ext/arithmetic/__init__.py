"""TensorFlow Lite Micro's integer arithmetic: the only Python that rounds.

Every function equals TFLM bit for bit; tests compare with its interpreter. TFLM rounds differently
in different functions, and so does this module: each docstring says how. The scheme is that of
Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, with two roundings per requantisation.

Scales are Python floats that hold float32 values.
"""

from __future__ import annotations

import enum
import functools
import math
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

Array: TypeAlias = np.ndarray[Any, Any]

INT8_MIN, INT8_MAX = -128, 127
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


class Activation(enum.Enum):
    """Fused activations; the value is TensorFlow Lite's number."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3


def round_half_away(value: float) -> int:
    """Round to nearest, halves away from zero, as C's round().

    Example:
        >>> [round_half_away(v) for v in (0.5, 1.5, -0.5, -2.5, 0.49999999999999994)]
        [1, 2, -1, -3, 0]
    """
    whole = math.trunc(value)
    if abs(value - whole) >= 0.5:
        whole += 1 if value > 0 else -1
    return whole


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A positive double as multiplier * 2**(shift - 31), multiplier in [2**30, 2**31).

    Tiny values become (0, 0), as in TFLM.

    Example:
        >>> quantize_multiplier(0.25)
        (1073741824, -1)
    """
    if real == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    fixed = round_half_away(mantissa * 2.0**31)
    if fixed == 2**31:
        fixed //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return fixed, shift


def wrap_int32(values: Array) -> Array:
    """Reduce modulo 2**32 into int32, as two's complement arithmetic does."""
    return np.asarray(values).astype(np.int64).astype(np.int32)


def rounding_doubling_high_mul(a: ArrayLike, b: ArrayLike) -> Array:
    """(a * b) / 2**31, halves upward, saturated where both are INT32_MIN.

    Args:
        a: int32 values in any integer type.
        b: int32 values or one int32.
    """
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return np.minimum((product + (1 << 30)) >> 31, INT32_MAX)


def rounding_divide_by_pot(x: ArrayLike, exponent: ArrayLike) -> Array:
    """x / 2**exponent, halves away from zero; 0 <= exponent <= 31."""
    x = np.asarray(x, np.int64)
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def multiply_by_quantized_multiplier(
    x: ArrayLike, multiplier: ArrayLike, shift: ArrayLike
) -> Array:
    """x * multiplier * 2**(shift - 31) with two roundings; a left shift wraps at 32 bits.

    Args:
        x: int32 values.
        multiplier: from quantize_multiplier, one or one per element of the last axis.
        shift: likewise.

    Returns:
        int64 array with int32 values.
    """
    shift = np.asarray(shift, np.int64)
    left = np.maximum(shift, 0)
    shifted = wrap_int32(np.asarray(x, np.int64) << left)
    return rounding_divide_by_pot(
        rounding_doubling_high_mul(shifted, multiplier), np.maximum(-shift, 0)
    )


@functools.lru_cache(maxsize=256)  # the references call it again for every input
def quantize_multipliers(reals: tuple[float, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """quantize_multiplier for one value per channel: all multipliers, all shifts."""
    pairs = [quantize_multiplier(real) for real in reals]
    return tuple(m for m, _ in pairs), tuple(s for _, s in pairs)


def float32_quotient(a: float, b: float) -> float:
    """a / b in float32; infinite where that overflows."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(a) / np.float32(b))


def quantize(real: float, scale: float, zero_point: int) -> int:
    """real / scale in float32, halves away from zero, plus the zero point; not clamped."""
    return round_half_away(float32_quotient(real, scale)) + zero_point


def activation_range(
    activation: Activation, scale: float, zero_point: int, low: int = INT8_MIN, high: int = INT8_MAX
) -> tuple[int, int]:
    """Smallest and largest quantised value after a fused activation.

    Example:
        >>> activation_range(Activation.RELU6, 0.05, -100)
        (-100, 20)
    """
    match activation:
        case Activation.NONE:
            return low, high
        case Activation.RELU:
            return max(low, quantize(0.0, scale, zero_point)), high
        case Activation.RELU6:
            return (
                max(low, quantize(0.0, scale, zero_point)),
                min(high, quantize(6.0, scale, zero_point)),
            )
        case Activation.RELU_N1_TO_1:
            return (
                max(low, quantize(-1.0, scale, zero_point)),
                min(high, quantize(1.0, scale, zero_point)),
            )


def round_half_away_array(values: Array) -> Array:
    """round_half_away for floating-point values, which stay floating-point."""
    whole = np.trunc(values)
    return whole + np.where(np.abs(values - whole) >= 0.5, np.sign(values), 0)


def normalize_array(values: Array, means: ArrayLike, deviations: ArrayLike) -> Array:
    """(x - mean) / deviation in float32, with two roundings in this order, like the C.

    Args:
        values: real numbers, (samples, ...), rounded to float32 first.
        means: one for all elements of a sample, or for each index of their last axis, or for each.
        deviations: likewise, not 0.

    Returns:
        float32 in the same shape, infinite where that overflows.
    """
    given = np.asarray(values, np.float32)
    mean, deviation = np.asarray(means, np.float32), np.asarray(deviations, np.float32)
    with np.errstate(over="ignore", under="ignore"):
        rows = (given.reshape(len(given), -1, len(mean)) - mean) / deviation
    return rows.reshape(given.shape)


def quantize_array(values: Array, scale: float, zero_point: int) -> Array:
    """Real values to int8: nearest step in float32, halves away from zero, saturated.

    Args:
        values: numbers of any shape, also infinite ones.
    """
    with np.errstate(over="ignore", under="ignore"):
        steps = np.asarray(values, np.float32) / np.float32(scale)
    # Every zero point is within 512 of both limits of int8.
    rounded = round_half_away_array(np.clip(steps, -512, 512))
    return np.clip(rounded.astype(np.float64) + zero_point, INT8_MIN, INT8_MAX).astype(np.int8)


def inverse_of_scale(scale: float) -> tuple[int, int]:
    """1 / scale as (m, s): m / 2**s, rounded up, with m below 2**47 and s from 1 to 47.

    For v from 0 to 2**15 and f from 0 to 15, (v * m + 2**(s + f - 1)) >> (s + f) is
    v / 2**f / scale rounded to the nearest integer, halves up: m is too large by at most 2**-46 of
    itself, and because a scale has 24 significant bits, quotients below a half are further away.
    If the scale is so small that m would need more bits, every v but 0 gives more than any int8.

    Example:
        >>> inverse_of_scale(0.25)
        (70368744177664, 44)
    """
    exact = 1 / Fraction(scale)
    shift = min(max(46 - math.floor(math.log2(exact)), 1), 47)
    return min(math.ceil(exact * 2**shift), 2**47 - 1), shift


def dequantize_array(values: Array, scale: float, zero_point: int) -> Array:
    """int8 to float32: scale * (q - zero_point)."""
    return np.float32(scale) * (np.asarray(values, np.int32) - zero_point).astype(np.float32)


def divide_half_away(a: ArrayLike, b: ArrayLike) -> Array:
    """a / b, halves away from zero; b is positive.

    Example:
        >>> divide_half_away(np.array([3, -3, 5]), 2).tolist()
        [2, -2, 3]
    """
    a = np.asarray(a, np.int64)
    return np.sign(a) * ((np.abs(a) + np.asarray(b) // 2) // b)


def shift_left_saturated(x: Array, bits: int) -> Array:
    """x * 2**bits, held inside int32."""
    return np.clip(np.asarray(x, np.int64) << bits, INT32_MIN, INT32_MAX)


def _exp_near_zero(x: Array) -> Array:
    """exp(x / 2**31) * 2**31 for -1/4 <= x / 2**31 < 0: a Taylor polynomial around -1/8."""
    at = np.asarray(x, np.int64) + (1 << 28)
    square = rounding_doubling_high_mul(at, at)
    cube = rounding_doubling_high_mul(square, at)
    fourth = rounding_divide_by_pot(rounding_doubling_high_mul(square, square), 2)
    third = rounding_doubling_high_mul(fourth + cube, 715827883)
    tail = at + rounding_divide_by_pot(third + square, 1)
    return 1895147668 + rounding_doubling_high_mul(tail, 1895147668)


# exp(-1/4), exp(-1/2), exp(-1), ... exp(-16), each times 2**31.
_EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def exp_on_negative(x: Array, integer_bits: int) -> Array:
    """exp of fixed-point numbers up to 0.

    Args:
        x: int32 values, x / 2**(31 - integer_bits) <= 0.
        integer_bits: 1 to 5.

    Returns:
        The results times 2**31; 2**31 - 1 for an x of 0.
    """
    x = np.asarray(x, np.int64)
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    low = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(shift_left_saturated(low, integer_bits))
    rest = low - x
    for exponent, factor in enumerate(_EXP_FACTORS[: integer_bits + 2], -2):
        chosen = (rest & (1 << (fraction + exponent))) != 0
        result = np.where(chosen, rounding_doubling_high_mul(result, factor), result)
    return np.where(x == 0, INT32_MAX, result)


def _two_over_one_plus(x: Array) -> Array:
    """2 / (1 + x / 2**31) * 2**29 by three Newton-Raphson steps; sums wrap at 32 bits."""
    total = np.asarray(x, np.int64) + INT32_MAX
    half = np.where(total < 0, -((1 - total) // 2), (total + 1) // 2)
    result = 1515870810 + rounding_doubling_high_mul(half, -1010580540)
    for _ in range(3):
        error = (1 << 29) - rounding_doubling_high_mul(half, result)
        step = shift_left_saturated(rounding_doubling_high_mul(result, error), 2)
        result = wrap_int32(result + step).astype(np.int64)
    return result


def one_over_one_plus(x: Array) -> Array:
    """1 / (1 + x / 2**31) * 2**31 for x from 0 to 2**31 - 1."""
    return shift_left_saturated(_two_over_one_plus(x), 1)


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x / 2**27)) * 2**31 for int32 values."""
    x = np.asarray(x, np.int64)
    positive = one_over_one_plus(exp_on_negative(-np.abs(x), 4))
    return np.where(x == 0, 1 << 30, np.where(x > 0, positive, INT32_MAX - positive))


def tanh(x: Array) -> Array:
    """tanh(x / 2**27) * 2**31 for int32 values."""
    x = np.asarray(x, np.int64)
    # tanh(a) = (1 - e) / (1 + e) with e = exp(-2a); one integer bit more doubles the exponent.
    ratio = _two_over_one_plus(exp_on_negative(-np.abs(x), 5)) - (1 << 29)
    return np.sign(x) * shift_left_saturated(ratio, 2)


def inverse_sqrt(x: int) -> tuple[int, int]:
    """1 / sqrt(x) as multiplier * 2**(shift - 31), for integers from 1 to 2**29 - 1."""
    if x == 1:
        return INT32_MAX, 0
    pairs = (31 - x.bit_length()) // 2 - 1
    shift = 11 - pairs
    scaled = np.int64(x << (2 * pairs)) >> 1
    half = rounding_divide_by_pot(scaled, 1)
    guess: Array = np.array(1 << 28)
    for _ in range(5):
        square = rounding_doubling_high_mul(guess, guess)
        cube = shift_left_saturated(rounding_doubling_high_mul(square, guess), 6)
        step = rounding_doubling_high_mul(guess, 3 << 27) - rounding_doubling_high_mul(cube, half)
        guess = shift_left_saturated(step, 3)
    result = int(rounding_doubling_high_mul(guess, 1518500250))
    return result << max(-shift, 0), -max(shift, 0)


def leading_sign_bits(x: Array) -> Array:
    """How often int32 values can be doubled without overflow."""
    magnitude = np.where(np.asarray(x) < 0, ~np.asarray(x), x).astype(np.float64)
    # frexp gives the exponent of the highest bit plus 1, and 0 for 0; exact up to 2**53.
    return 31 - np.frexp(magnitude)[1].astype(np.int64)


def reciprocal(x: Array) -> tuple[Array, Array]:
    """1 / x as inverse * 2**(-31 - shift), for integers from 0 on; TFLM also defines an inverse of
    0.

    Returns:
        inverse and shift.
    """
    x = np.asarray(x, np.int64)
    zeros = leading_sign_bits(x) + 1
    return one_over_one_plus((x << zeros) - (1 << 31)), 31 - zeros


def sigmoid_multiplier(scale: float) -> tuple[int, int]:
    """The factor from quantised steps to steps of 2**-27, as multiplier * 2**(shift - 31)."""
    mantissa, shift = math.frexp(scale * 2.0**27)
    return round_half_away(mantissa * 2.0**31), shift


def input_radius(integer_bits: int, shift: int) -> int:
    """From how many quantised steps on a fixed-point function saturates; shift >= 0."""
    return (((1 << integer_bits) - 1) << (31 - integer_bits)) >> shift


def elu_array(x: Array, scale: float, output_scale: float, output_zero_point: int) -> Array:
    """ELU in float32 and its result quantised, halves away from zero, not saturated.

    The C library's expf, which TFLM calls, is assumed to round correctly. It does for all but a few
    arguments in a thousand, and even for those the result only differs on a rounding boundary.

    Args:
        x: quantised inputs minus their zero point.
    """
    real = np.float32(scale) * x.astype(np.float32)
    exponential = np.exp(np.minimum(real, 0).astype(np.float64)).astype(np.float32)
    values = np.where(real < 0, exponential - np.float32(1), real)
    rounded = round_half_away_array(values * (np.float32(1) / np.float32(output_scale)))
    return rounded.astype(np.float32) + np.float32(output_zero_point)


def mean_multiplier(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """Turn the multiplier of a sum into that of a mean: divided by count, rounded down.

    Args:
        multiplier: from quantize_multiplier, with its shift.
        shift: at least -31.
        count: elements that are added, positive.

    Example:
        >>> mean_multiplier(1 << 30, 0, 3)
        (715827882, -1)
    """
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


@functools.cache
def tanh_entries() -> Array:
    """tanh(i / 48) * 2**15 for i from 0 to 255, between which the 16-bit functions interpolate.

    A chord runs below the curve. Every entry is raised by half of the largest gap, so that the
    error between two entries is equally large in both directions; the last entry is the end of the
    range.
    """
    tanh_x = [math.tanh(i / 48) for i in range(255)]
    raised = [t + t * (1 - t * t) / 18432 for t in tanh_x]
    entries = np.array([round_half_away(2.0**15 * r) for r in raised] + [32767])
    entries.setflags(write=False)
    return entries


def _interpolate(x: Array, bits: int, end: int) -> Array:
    """tanh_entries at x / 2**bits, times 2**bits; `end` from entry 255 on."""
    entries = tanh_entries().astype(np.int64)
    low = np.minimum(x >> bits, 254)
    between = entries[low] * (1 << bits) + (x & ((1 << bits) - 1)) * np.diff(entries)[low]
    return np.where(x >> bits >= 255, end << bits, between)


def sigmoid_int16(x: Array) -> Array:
    """1 / (1 + exp(-x / 2**12)) * 2**15 for int16 values."""
    x = 3 * np.asarray(x, np.int64)
    half = _interpolate(np.abs(x), 9, 32766)
    return ((1 << 24) + np.where(x >= 0, half + 512, 511 - half)) >> 10


def tanh_int16(x: Array, multiplier: int, shift: int) -> Array:
    """tanh(y / 2**12) * 2**15 with y = x * multiplier / 3 / 2**shift, for int16 values."""
    x = (np.asarray(x, np.int64) * multiplier + ((1 << shift) >> 1)) >> shift
    value = _interpolate(np.abs(x), 8, 32767)
    return np.where(x >= 0, value + 128, 127 - value) >> 8
