/* SPDX-License-Identifier: 0BSD */
/*
 * SOFTMAX over rows of int8; the output has scale 1/256 and zero point -128.
 *
 * exponentials[d] is 2^31 * exp of a value d steps below the largest of its row. Values further
 * below it than the table reaches give 0.
 */
#ifndef TFLM_EXT_SOFTMAX_H
#define TFLM_EXT_SOFTMAX_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t rows;
    int32_t size;  /* values of a row, at most 4095 */
    int32_t steps; /* entries of the table */
} tflm_ext_softmax_t;

static inline void tflm_ext_softmax(const tflm_ext_softmax_t *op, const int8_t *input,
                                    const int32_t *exponentials, int8_t *output)
{
    for (int32_t row = 0; row < op->rows; ++row) {
        const int8_t *in = &input[row * op->size];
        int8_t *out = &output[row * op->size];
        int32_t largest = INT8_MIN;
        int32_t sum = 0; /* with 19 fractional bits */

        for (int32_t i = 0; i < op->size; ++i) {
            largest = tflm_ext_max(largest, (int32_t)in[i]);
        }
        for (int32_t i = 0; i < op->size; ++i) {
            const int32_t below = largest - (int32_t)in[i];
            if (below < op->steps) {
                sum += tflm_ext_rounding_shift_right(exponentials[below], 12);
            }
        }

        /* The largest value contributes 1 to the sum, which therefore has 1 to 12 leading zeros. */
        const int32_t zeros = tflm_ext_leading_sign_bits(sum) + 1;
        const uint32_t fraction = ((uint32_t)sum << (uint32_t)zeros) & 0x7FFFFFFFU;
        const int32_t inverse = tflm_ext_one_over_one_plus((int32_t)fraction);
        const int32_t exponent = tflm_ext_min(35 - zeros, 31);

        for (int32_t i = 0; i < op->size; ++i) {
            const int32_t below = largest - (int32_t)in[i];
            int32_t share = 0; /* in steps of 1/256 */
            if (below < op->steps) {
                share = tflm_ext_rounding_shift_right(
                    tflm_ext_high_mul(inverse, exponentials[below]), exponent);
            }
            out[i] = (int8_t)tflm_ext_min(share - 128, INT8_MAX);
        }
    }
}

#endif
