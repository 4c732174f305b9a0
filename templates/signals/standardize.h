/* SPDX-License-Identifier: 0BSD */
/* Values in units of their deviation from the mean, for scores. */
#ifndef TFLM_EXT_STANDARDIZE_H
#define TFLM_EXT_STANDARDIZE_H

#include "pairs.h"

/* Limited to int16. */
static inline int32_t tflm_ext_ssat16(int32_t value)
{
#if TFLM_EXT_DSP
    int32_t result;
    __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(value));
    return result;
#else
    return (value < -32768) ? -32768 : ((value > 32767) ? 32767 : value);
#endif
}

/* (a * pair.low) / 2^16 + sum, and the same with pair.high; rounded down. */
static inline int32_t tflm_ext_smlawb(int32_t a, uint32_t pair, int32_t sum)
{
#if TFLM_EXT_DSP
    int32_t result;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(pair), "r"(sum));
    return result;
#else
    return (int32_t)(((int64_t)a * tflm_ext_low(pair)) >> 16) + sum;
#endif
}

static inline int32_t tflm_ext_smlawt(int32_t a, uint32_t pair, int32_t sum)
{
#if TFLM_EXT_DSP
    int32_t result;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(pair), "r"(sum));
    return result;
#else
    return (int32_t)(((int64_t)a * tflm_ext_high(pair)) >> 16) + sum;
#endif
}

/* One of the features, which are int8 if `narrow`, else int16. */
static inline int32_t tflm_ext_feature(const void *features, bool narrow, int32_t i)
{
    return narrow ? ((const int8_t *)features)[i] : ((const int16_t *)features)[i];
}

/*
 * (value - mean) / deviation with 10 fraction bits, rounded down, and limited to int16; the mean has
 * 14 fraction bits, the reciprocal of the deviation 28.
 */
static inline int32_t tflm_ext_standardized(int32_t value, int32_t mean, int32_t reciprocal)
{
    const int32_t above = (int32_t)(((uint32_t)value << 14) - (uint32_t)mean);

    return tflm_ext_ssat16((int32_t)(((int64_t)above * reciprocal) >> 32));
}

/* The square of feature i, standardized; standards are pairs of mean and reciprocal. */
static inline int64_t tflm_ext_square(const void *features, bool narrow, const int32_t *standards,
                                      int32_t i)
{
    const int32_t z = tflm_ext_standardized(tflm_ext_feature(features, narrow, i), standards[2 * i],
                                            standards[(2 * i) + 1]);

    return (int64_t)z * z;
}

/* The sum of the squares of standardized features. */
static inline int64_t tflm_ext_sum_of_squares(int32_t count, const void *features, bool narrow,
                                              const int32_t *standards)
{
    int64_t sum = 0;
    int32_t i = 0;

    for (int32_t left = count / 4; left > 0; --left) {
        sum += tflm_ext_square(features, narrow, standards, i);
        sum += tflm_ext_square(features, narrow, standards, i + 1);
        sum += tflm_ext_square(features, narrow, standards, i + 2);
        sum += tflm_ext_square(features, narrow, standards, i + 3);
        i += 4;
    }
    for (int32_t left = count % 4; left > 0; --left) {
        sum += tflm_ext_square(features, narrow, standards, i);
        ++i;
    }
    return sum;
}

#endif
