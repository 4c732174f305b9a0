/* SPDX-License-Identifier: 0BSD */
/* How far features are from their means: the mean square of the distances in deviations. */
#ifndef TFLM_EXT_MAHALANOBIS_H
#define TFLM_EXT_MAHALANOBIS_H

#include "standardize.h"

typedef struct {
    int32_t count; /* features */
    int32_t shift; /* of the sum of squares, so that it fits */
} tflm_ext_mahalanobis_int16_t;

typedef tflm_ext_mahalanobis_int16_t tflm_ext_mahalanobis_int8_t;

static inline void tflm_ext_mahalanobis_int16(const tflm_ext_mahalanobis_int16_t *op,
                                              const int16_t *input, const int32_t *standards,
                                              int32_t *score)
{
    *score = (int32_t)(tflm_ext_sum_of_squares(op->count, input, false, standards) >> op->shift);
}

static inline void tflm_ext_mahalanobis_int8(const tflm_ext_mahalanobis_int8_t *op,
                                             const int8_t *input, const int32_t *standards,
                                             int32_t *score)
{
    *score = (int32_t)(tflm_ext_sum_of_squares(op->count, input, true, standards) >> op->shift);
}

#endif
