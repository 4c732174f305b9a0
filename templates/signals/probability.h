/* SPDX-License-Identifier: 0BSD */
/* The probability of one or several classes, as a score. */
#ifndef TFLM_EXT_PROBABILITY_H
#define TFLM_EXT_PROBABILITY_H

#include "arithmetic.h"

typedef struct {
    int32_t count;      /* classes that are added up */
    int32_t zero_point; /* of the network's output */
} tflm_ext_probability_t;

static inline void tflm_ext_probability(const tflm_ext_probability_t *op, const int8_t *input,
                                        const int16_t *labels, int32_t *score)
{
    int32_t sum = 0;

    for (int32_t i = 0; i < op->count; ++i) {
        sum += input[labels[i]] - op->zero_point;
    }
    *score = sum;
}

#endif
