/* SPDX-License-Identifier: 0BSD */
/* Square root and logarithm of TensorFlow Lite Micro's signal library, bit for bit. */
#ifndef TFLM_EXT_SIGNAL_ARITHMETIC_H
#define TFLM_EXT_SIGNAL_ARITHMETIC_H

#include <stdint.h>

/* The number of bits of x; 0 for 0. */
static inline int32_t tflm_ext_bit_length(uint32_t x)
{
#if defined(__GNUC__)
    return (x == 0U) ? 0 : (32 - __builtin_clz(x));
#else
    int32_t bits = 0;

    for (; x != 0U; x >>= 1) {
        ++bits;
    }
    return bits;
#endif
}

/* a * b / 2^32, rounded down. */
static inline uint32_t tflm_ext_high_product(uint32_t a, uint32_t b)
{
    return (uint32_t)(((uint64_t)a * b) >> 32);
}

/*
 * The square root of x, rounded to nearest: up if the rest is larger than the root. The largest
 * root of x below 2^32 is 65535.
 *
 * Newton's method for 1 / sqrt in fixed point comes within a few units of the root, from below; the
 * exact rest then decides.
 */
static inline uint32_t tflm_ext_square_root(uint64_t x)
{
    const uint32_t limit = ((x >> 32) == 0U) ? 0xFFFFU : 0xFFFFFFFFU;

    if (x == 0U) {
        return 0U;
    }

    /* x * 2^shift has 63 or 64 bits; shift is even. */
    const int32_t bits = ((x >> 32) == 0U) ? tflm_ext_bit_length((uint32_t)x)
                                           : (32 + tflm_ext_bit_length((uint32_t)(x >> 32)));
    const int32_t shift = (64 - bits) & ~1;
    const uint32_t m = (uint32_t)((x << shift) >> 32); /* from 2^30 on: 1/4 to 1, times 2^32 */

    /*
     * 1 / sqrt(m), times 2^30: a line that is within 11 %, and four steps y * (3 - m * y^2) / 2.
     * Products are rounded down, so the root of m that follows, times 2^32, is up to 8 too large and
     * 26 too small, as was found for every m. It must not be too large, or the rest is negative.
     */
    uint32_t y = 2211908157U - (m >> 2) - (m >> 5);
    for (int32_t i = 0; i < 4; ++i) {
        const uint32_t square =
            tflm_ext_high_product(tflm_ext_high_product(m, y), y); /* times 2^28 */
        y = tflm_ext_high_product(y, (3U << 28) - square) << 3;
    }

    uint32_t root = ((tflm_ext_high_product(m, y) << 2) - 9U) >> ((uint32_t)shift / 2U);
    uint64_t rest = x - ((uint64_t)root * root);
    while (rest > (2U * (uint64_t)root)) {
        rest -= (2U * (uint64_t)root) + 1U;
        ++root;
    }
    return ((rest > root) && (root != limit)) ? (root + 1U) : root;
}

/*
 * scale * ln(x), interpolated linearly in a table of 129 entries, which tell how far log2 is above
 * the straight line between powers of two; x >= 1.
 */
static inline uint32_t tflm_ext_scaled_log(const int16_t *logarithm, uint32_t x, uint32_t scale)
{
    const int32_t whole = tflm_ext_bit_length(x) - 1;
    const uint32_t rest = x - ((uint32_t)1 << whole);
    const int32_t fraction =
        (int32_t)((whole < 16) ? (rest << (16 - whole)) : (rest >> (whole - 16)));
    const int32_t segment = fraction >> 9;
    const int32_t low = logarithm[segment];
    const int32_t slope = logarithm[segment + 1] - low;
    const int32_t above = low + ((slope * (fraction & 511)) >> 16);
    const uint32_t log2 = ((uint32_t)whole << 16) + (uint32_t)(fraction + above);
    const uint32_t natural = (uint32_t)((((uint64_t)log2 * 45426U) + 32768U) >> 16);

    return ((scale * natural) + 32768U) >> 16;
}

#endif
