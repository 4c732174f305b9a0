/* SPDX-License-Identifier: 0BSD */
/*
 * SQUARED_DIFFERENCE. Both inputs are first converted to a common scale, 2^7 times finer.
 *
 * The output may share memory with an input of the same size.
 */
#ifndef TFLM_EXT_SQUARED_DIFFERENCE_H
#define TFLM_EXT_SQUARED_DIFFERENCE_H

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
    int32_t input1_multiplier;
    int32_t input1_shift;
    int32_t input2_multiplier;
    int32_t input2_shift;
    int32_t output_multiplier;
    int32_t output_shift;
} tflm_ext_squared_difference_t;

/* One squared difference. */
static inline int8_t tflm_ext_squared_difference_element(const tflm_ext_squared_difference_t *op,
                                                         int8_t a, int8_t b)
{
    const int32_t x =
        tflm_ext_requantize(tflm_ext_shift_left((int32_t)a - op->input1_zero_point, 7),
                            op->input1_multiplier, op->input1_shift);
    const int32_t y =
        tflm_ext_requantize(tflm_ext_shift_left((int32_t)b - op->input2_zero_point, 7),
                            op->input2_multiplier, op->input2_shift);
    const int32_t scaled =
        tflm_ext_requantize((x - y) * (x - y), op->output_multiplier, op->output_shift);

    return (int8_t)tflm_ext_clamp(scaled + op->output_zero_point, op->output_min, op->output_max);
}

static inline void tflm_ext_squared_difference(const tflm_ext_squared_difference_t *op,
                                               const int8_t *input1, const int8_t *input2,
                                               int8_t *output)
{
    const tflm_ext_broadcast_t *const shape = &op->shape;
    int8_t *out = output;

    for (int32_t run = 0; run < shape->runs; ++run) {
        const int8_t *a = &input1[tflm_ext_run_start(shape->sizes, shape->steps1, run)];
        const int8_t *b = &input2[tflm_ext_run_start(shape->sizes, shape->steps2, run)];
        for (int32_t i = 0; i < shape->length; ++i) {
            *out = tflm_ext_squared_difference_element(op, *a, *b);
            ++out;
            a += shape->step1;
            b += shape->step2;
        }
    }
}

#endif
