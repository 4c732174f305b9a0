/* SPDX-License-Identifier: 0BSD */
/*
 * Fixed-point arithmetic of TensorFlow Lite Micro, bit for bit.
 *
 * All rounding at run time is in this file and in dsp.h. Right shifts of negative numbers must be
 * arithmetic shifts, which they are with all supported compilers (deviation D.1 in the list of
 * MISRA deviations).
 */
#ifndef TFLM_EXT_ARITHMETIC_H
#define TFLM_EXT_ARITHMETIC_H

#include <stdint.h>

/* Smaller and larger of two numbers. */
static inline int32_t tflm_ext_min(int32_t a, int32_t b)
{
    return (a < b) ? a : b;
}

static inline int32_t tflm_ext_max(int32_t a, int32_t b)
{
    return (a > b) ? a : b;
}

/* Limits a value to [low, high]. */
static inline int32_t tflm_ext_clamp(int32_t value, int32_t low, int32_t high)
{
    return tflm_ext_max(low, tflm_ext_min(value, high));
}

/* x * 2^bits modulo 2^32; 0 <= bits <= 31. */
static inline int32_t tflm_ext_shift_left(int32_t x, int32_t bits)
{
    return (int32_t)((uint32_t)x << (uint32_t)bits);
}

/* (a * b) / 2^31, halves upward. The multiplier b is never INT32_MIN, so it cannot overflow. */
static inline int32_t tflm_ext_high_mul(int32_t a, int32_t b)
{
    const int64_t product = (int64_t)a * (int64_t)b;
    return (int32_t)((product + ((int64_t)1 << 30)) >> 31);
}

/* x / 2^exponent, halves away from zero; 0 <= exponent <= 31. */
static inline int32_t tflm_ext_rounding_shift_right(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << (uint32_t)exponent) - 1U);
    const int32_t threshold = (mask >> 1) + ((x < 0) ? 1 : 0);
    return (x >> exponent) + (((x & mask) > threshold) ? 1 : 0);
}

/* x * multiplier * 2^(shift - 31), rounded twice; -31 <= shift <= 30. */
static inline int32_t tflm_ext_requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = tflm_ext_max(shift, 0);
    const int32_t right = tflm_ext_max(-shift, 0);
    return tflm_ext_rounding_shift_right(
        tflm_ext_high_mul(tflm_ext_shift_left(x, left), multiplier), right);
}

/* a / b, halves away from zero; b is positive. */
static inline int32_t tflm_ext_divide_half_away(int32_t a, int32_t b)
{
    return ((a > 0) ? (a + (b / 2)) : (a - (b / 2))) / b;
}

/* x * 2^bits, saturated to int32; 0 <= bits <= 31. */
static inline int32_t tflm_ext_shift_left_saturated(int32_t x, int32_t bits)
{
    const int64_t wide = (int64_t)x * ((int64_t)1 << bits);

    if (wide > INT32_MAX) {
        return INT32_MAX;
    }
    return (wide < INT32_MIN) ? INT32_MIN : (int32_t)wide;
}

/* The number of times that x can be doubled without overflow; 31 for 0 and -1. */
static inline int32_t tflm_ext_leading_sign_bits(int32_t x)
{
    uint32_t magnitude = (uint32_t)((x < 0) ? ~x : x);
    int32_t bits = 31;

    while (magnitude != 0U) {
        magnitude >>= 1;
        --bits;
    }
    return bits;
}

/* 1 / (1 + x / 2^31) * 2^31 by three Newton-Raphson steps; x >= 0. */
static inline int32_t tflm_ext_one_over_one_plus(int32_t x)
{
    const int32_t half = (int32_t)(((int64_t)x + ((int64_t)1 << 31)) >> 1);
    int32_t result = 1515870810 + tflm_ext_high_mul(half, -1010580540); /* 48/17 - 32/17 * half */

    for (int32_t i = 0; i < 3; ++i) {
        const int32_t error = ((int32_t)1 << 29) - tflm_ext_high_mul(half, result);
        result += tflm_ext_shift_left_saturated(tflm_ext_high_mul(result, error), 2);
    }
    return tflm_ext_shift_left_saturated(result, 1);
}

/*
 * A table of 256 entries at x / 2^bits, times 2^bits: interpolated linearly, and `end` from entry
 * 255 on. The entries increase from 0 to 32767; x >= 0 and bits <= 9.
 */
static inline int32_t tflm_ext_interpolate(const int16_t *entries, int32_t x, int32_t bits,
                                           int32_t end)
{
    const int32_t one = (int32_t)1 << bits;
    const int32_t i = x >> bits;

    if (i >= 255) {
        return end * one;
    }
    return ((int32_t)entries[i] * one) +
           ((x & (one - 1)) * ((int32_t)entries[i + 1] - (int32_t)entries[i]));
}

/* 1 / (1 + exp(-x / 2^12)) * 2^15 for x in int16; entries are tanh(i / 48) * 2^15. */
static inline int32_t tflm_ext_sigmoid_int16(const int16_t *entries, int32_t x)
{
    const int32_t scaled = x * 3;
    const int32_t magnitude = (scaled < 0) ? -scaled : scaled;
    const int32_t half = tflm_ext_interpolate(entries, magnitude, 9, 32766);

    return (((int32_t)1 << 24) + ((scaled < 0) ? (511 - half) : (half + 512))) >> 10;
}

/*
 * tanh(y / 2^12) * 2^15 with y = x * multiplier / 3 / 2^shift, for x in int16 with
 * x * multiplier + 2^(shift - 1) in int32; entries are tanh(i / 48) * 2^15.
 */
static inline int32_t tflm_ext_tanh_int16(const int16_t *entries, int32_t x, int32_t multiplier,
                                          int32_t shift)
{
    const int32_t scaled = ((x * multiplier) + (((int32_t)1 << shift) >> 1)) >> shift;
    const int32_t magnitude = (scaled < 0) ? -scaled : scaled;
    const int32_t value = tflm_ext_interpolate(entries, magnitude, 8, 32767);

    return ((scaled < 0) ? (127 - value) : (value + 128)) >> 8;
}

#endif
