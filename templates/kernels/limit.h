/* SPDX-License-Identifier: 0BSD */
/*
 * Limits int8 numbers: RELU, RELU6 and the like where input and output have one quantisation.
 *
 * Output may be the input's memory.
 */
#ifndef TFLM_EXT_LIMIT_H
#define TFLM_EXT_LIMIT_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t elements;
    int32_t output_min;
    int32_t output_max;
} tflm_ext_limit_t;

static inline void tflm_ext_limit(const tflm_ext_limit_t *op, const int8_t *input, int8_t *output)
{
    for (int32_t i = 0; i < op->elements; ++i) {
        output[i] = (int8_t)tflm_ext_clamp(input[i], op->output_min, op->output_max);
    }
}

#endif
