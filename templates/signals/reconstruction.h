/* SPDX-License-Identifier: 0BSD */
/* The mean squared difference between a network's input and what it gives for it. */
#ifndef TFLM_EXT_RECONSTRUCTION_H
#define TFLM_EXT_RECONSTRUCTION_H

#include "arithmetic.h"

typedef struct {
    int32_t count;        /* values of input and output */
    int32_t input_scale;  /* of the input: the larger scale is 2^20 */
    int32_t output_scale; /* of the output */
    int32_t offset;       /* both zero points times scales, and a half */
    int32_t shift;        /* of the sum of squares, so that it fits */
} tflm_ext_reconstruction_t;

static inline void tflm_ext_reconstruction(const tflm_ext_reconstruction_t *op, const int8_t *input,
                                           const int8_t *output, int32_t *score)
{
    int64_t sum = 0;

    for (int32_t i = 0; i < op->count; ++i) {
        const int32_t difference =
            ((input[i] * op->input_scale) + op->offset) - (output[i] * op->output_scale);
        const int32_t rounded = difference >> 14; /* in 1 / 64 of the larger scale */

        sum += (int64_t)rounded * rounded;
    }
    *score = (int32_t)(sum >> op->shift);
}

#endif
