/* SPDX-License-Identifier: 0BSD */
/* Features as their distance from their means, in steps that depend on their deviations. */
#ifndef TFLM_EXT_ZSCORE_H
#define TFLM_EXT_ZSCORE_H

#include <stdint.h>

#include "exact_float.h"

typedef struct {
    int32_t count; /* features */
} tflm_ext_int16_zscore_t;

typedef tflm_ext_int16_zscore_t tflm_ext_int32_zscore_t;
typedef tflm_ext_int16_zscore_t tflm_ext_float32_zscore_t;

/* (distance * multiplier + offset) / 2^shift, halves up; a shift of 1 to 60. */
static inline int8_t tflm_ext_zscore_step(int64_t distance, const int16_t *factors)
{
    const int32_t shift = factors[2];
    const int64_t half = (int64_t)1 << (shift - 1);
    const int64_t step = ((distance * factors[0]) + factors[1] + half) >> shift;

    if (step > 127) {
        return 127;
    }
    return (int8_t)((step < -128) ? -128 : step);
}

static inline void tflm_ext_int16_zscore(const tflm_ext_int16_zscore_t *op, const int16_t *input,
                                         const int32_t *centers, const int16_t *factors,
                                         int8_t *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = tflm_ext_zscore_step((int64_t)input[i] - centers[i], &factors[3 * i]);
    }
}

static inline void tflm_ext_int32_zscore(const tflm_ext_int32_zscore_t *op, const int32_t *input,
                                         const int32_t *centers, const int16_t *factors,
                                         int8_t *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = tflm_ext_zscore_step((int64_t)input[i] - centers[i], &factors[3 * i]);
    }
}

static inline void tflm_ext_float32_zscore(const tflm_ext_float32_zscore_t *op, const float *input,
                                           const float *factors, int8_t *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        float step = tflm_ext_product(input[i] - factors[2 * i], factors[(2 * i) + 1]);

        if (!(step > -128.0f)) {
            step = (step <= -128.0f) ? -128.0f : 0.0f; /* 0 for NaN */
        }
        if (step > 127.0f) {
            step = 127.0f;
        }
        output[i] = (int8_t)((int32_t)(step + 128.5f) - 128); /* a positive sum is rounded down */
    }
}

#endif
