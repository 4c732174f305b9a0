/* SPDX-License-Identifier: 0BSD */
/*
 * What is normal where the device is: means and deviations of features are learnt from the first
 * plausible windows, and then frozen. Scores are those of mahalanobis.h.
 */
#ifndef TFLM_EXT_NORMAL_H
#define TFLM_EXT_NORMAL_H

#include "signal_arithmetic.h"
#include "standardize.h"

typedef struct {
    int32_t count;    /* features */
    int32_t shift;    /* of the sum of squares, so that it fits */
    int32_t factory;  /* 1: there are values from the factory */
    int32_t largest;  /* reciprocal of the smallest deviation */
    uint32_t windows; /* to learn, at most 2^16 */
} tflm_ext_normal_int16_t;

typedef tflm_ext_normal_int16_t tflm_ext_normal_int8_t;

/* Adds up a window whose features are all within their limits, and returns whether it is. */
static inline bool tflm_ext_normal_add(const tflm_ext_normal_int16_t *op, const void *features,
                                       bool narrow, const int16_t *limits, int64_t *sums)
{
    for (int32_t i = 0; i < op->count; ++i) {
        const int32_t value = tflm_ext_feature(features, narrow, i);

        if ((value < limits[2 * i]) || (value > limits[(2 * i) + 1])) {
            return false;
        }
    }
    for (int32_t i = 0; i < op->count; ++i) {
        const int32_t value = tflm_ext_feature(features, narrow, i);

        sums[2 * i] = (int64_t)((uint64_t)sums[2 * i] + (uint64_t)(int64_t)value);
        sums[(2 * i) + 1] =
            (int64_t)((uint64_t)sums[(2 * i) + 1] + (uint64_t)((int64_t)value * value));
    }
    return true;
}

/*
 * The reciprocal of the deviation with 28 fraction bits, of `windows` values with this sum and sum
 * of squares.
 */
static inline int32_t tflm_ext_normal_reciprocal(uint64_t windows, uint64_t sum, uint64_t squares,
                                                 int32_t largest)
{
    const uint64_t variance = (windows * squares) - (sum * sum); /* times windows^2 */

    if (variance < (((windows * windows) + 63U) / 64U)) {
        return largest; /* the deviation is below 1 / 8 */
    }

    /* The root has 31 bits or more. */
    const int32_t bits = ((variance >> 32) == 0U)
                             ? tflm_ext_bit_length((uint32_t)variance)
                             : (32 + tflm_ext_bit_length((uint32_t)(variance >> 32)));
    const uint32_t half = (64U - (uint32_t)bits) / 2U;
    const uint32_t root = tflm_ext_square_root(variance << (2U * half));
    const uint64_t reciprocal = ((windows << (half + 28U)) + (root / 2U)) / root;

    return (reciprocal < (uint64_t)(int64_t)largest) ? (int32_t)reciprocal : largest;
}

/* Replaces the sums by means and reciprocal deviations. */
TFLM_EXT_SHARED static void tflm_ext_normal_freeze(const tflm_ext_normal_int16_t *op, int64_t *sums)
{
    const uint64_t windows = op->windows;

    for (int32_t i = 0; i < op->count; ++i) {
        const uint64_t sum = (uint64_t)sums[2 * i];
        const uint64_t squares = (uint64_t)sums[(2 * i) + 1];
        /* 2^15 more, so that the division rounds a positive number. */
        const uint64_t shifted = (sum + (windows << 15)) << 14;
        const int64_t mean = (int64_t)((shifted + (windows / 2U)) / windows);

        sums[2 * i] = mean - ((int64_t)1 << 29);
        sums[(2 * i) + 1] = tflm_ext_normal_reciprocal(windows, sum, squares, op->largest);
    }
}

/* The square of feature i, standardized by what was learnt. */
static inline int64_t tflm_ext_normal_square(const void *features, bool narrow,
                                             const int64_t *learnt, int32_t i)
{
    const int32_t z = tflm_ext_standardized(tflm_ext_feature(features, narrow, i),
                                            (int32_t)learnt[2 * i], (int32_t)learnt[(2 * i) + 1]);

    return (int64_t)z * z;
}

/* The score by what was learnt. */
static inline int32_t tflm_ext_normal_score(const tflm_ext_normal_int16_t *op, const void *features,
                                            bool narrow, const int64_t *learnt)
{
    int64_t sum = 0;
    int32_t i = 0;

    for (int32_t left = op->count / 4; left > 0; --left) {
        sum += tflm_ext_normal_square(features, narrow, learnt, i);
        sum += tflm_ext_normal_square(features, narrow, learnt, i + 1);
        sum += tflm_ext_normal_square(features, narrow, learnt, i + 2);
        sum += tflm_ext_normal_square(features, narrow, learnt, i + 3);
        i += 4;
    }
    for (int32_t left = op->count % 4; left > 0; --left) {
        sum += tflm_ext_normal_square(features, narrow, learnt, i);
        ++i;
    }
    return (int32_t)(sum >> op->shift);
}

/*
 * The score of a window. Until enough windows are learnt it is that of the factory's values, or 0.
 * `sums` are sums of each feature and of its squares, then means and reciprocal deviations.
 */
static inline int32_t tflm_ext_normal(const tflm_ext_normal_int16_t *op, const void *features,
                                      bool narrow, const int32_t *standards, const int16_t *limits,
                                      int64_t *sums, uint32_t *learnt)
{
    int32_t score = 0;

    if (*learnt >= op->windows) {
        return tflm_ext_normal_score(op, features, narrow, sums);
    }
    if (op->factory != 0) {
        score =
            (int32_t)(tflm_ext_sum_of_squares(op->count, features, narrow, standards) >> op->shift);
    }
    if (tflm_ext_normal_add(op, features, narrow, limits, sums)) {
        ++*learnt;
        if (*learnt == op->windows) {
            tflm_ext_normal_freeze(op, sums);
        }
    }
    return score;
}

static inline void tflm_ext_normal_int16(const tflm_ext_normal_int16_t *op, const int16_t *input,
                                         const int32_t *standards, const int16_t *limits,
                                         int64_t *sums, uint32_t *learnt, int32_t *score)
{
    *score = tflm_ext_normal(op, input, false, standards, limits, sums, learnt);
}

static inline void tflm_ext_normal_int8(const tflm_ext_normal_int8_t *op, const int8_t *input,
                                        const int32_t *standards, const int16_t *limits,
                                        int64_t *sums, uint32_t *learnt, int32_t *score)
{
    *score = tflm_ext_normal(op, input, true, standards, limits, sums, learnt);
}

#endif
