/* SPDX-License-Identifier: 0BSD */
/*
 * DIV, by means of the reciprocal of the divisor.
 *
 * For a divisor of 0, the reciprocal is the value that TensorFlow Lite Micro uses.
 *
 * The output may share memory with an input of the same size.
 */
#ifndef TFLM_EXT_DIV_H
#define TFLM_EXT_DIV_H

#include <stdint.h>

#include "arithmetic.h"
#include "broadcast.h"

typedef struct {
    tflm_ext_broadcast_t shape;
    int32_t input1_zero_point;
    int32_t input2_zero_point;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
    int32_t output_multiplier;
    int32_t output_shift;
    int32_t reciprocal_of_0;
} tflm_ext_div_t;

/* One quotient. */
static inline int8_t tflm_ext_div_element(const tflm_ext_div_t *op, int8_t a, int8_t b)
{
    const int32_t divisor = (int32_t)b - op->input2_zero_point;
    const int32_t magnitude = (divisor < 0) ? -divisor : divisor;
    const int32_t centred = (int32_t)a - op->input1_zero_point;
    const int32_t x = (divisor < 0) ? -centred : centred;
    const int32_t zeros = tflm_ext_leading_sign_bits(magnitude) + 1;
    const int32_t reciprocal =
        (magnitude == 0)
            ? op->reciprocal_of_0
            : tflm_ext_one_over_one_plus(
                  (int32_t)(((uint32_t)magnitude << (uint32_t)zeros) - ((uint32_t)1 << 31)));
    const int32_t headroom = tflm_ext_leading_sign_bits(x);
    const int32_t quotient = tflm_ext_high_mul(tflm_ext_shift_left(x, headroom), reciprocal);
    const int32_t scaled = tflm_ext_requantize(quotient, op->output_multiplier,
                                               op->output_shift - (31 - zeros) - headroom);

    return (int8_t)tflm_ext_clamp(scaled + op->output_zero_point, op->output_min, op->output_max);
}

static inline void tflm_ext_div(const tflm_ext_div_t *op, const int8_t *input1,
                                const int8_t *input2, int8_t *output)
{
    const tflm_ext_broadcast_t *const shape = &op->shape;
    int8_t *out = output;

    for (int32_t run = 0; run < shape->runs; ++run) {
        const int8_t *a = &input1[tflm_ext_run_start(shape->sizes, shape->steps1, run)];
        const int8_t *b = &input2[tflm_ext_run_start(shape->sizes, shape->steps2, run)];
        for (int32_t i = 0; i < shape->length; ++i) {
            *out = tflm_ext_div_element(op, *a, *b);
            ++out;
            a += shape->step1;
            b += shape->step2;
        }
    }
}

#endif
