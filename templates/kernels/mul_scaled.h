/* SPDX-License-Identifier: 0BSD */
/*
 * MUL with a right shift, limited to int8 only; see mul.h and, for steps, tflm_ext_scale_to_int8().
 * The output may share memory with an input of the same size.
 */
#ifndef TFLM_EXT_MUL_SCALED_H
#define TFLM_EXT_MUL_SCALED_H

#include <stdint.h>

#include "broadcast.h"
#include "dsp.h"

typedef struct {
    tflm_ext_broadcast_t shape;
    int32_t input1_zero_point;
    int32_t input2_zero_point;
    int32_t output_multiplier;
    int32_t output_step;
    int32_t output_zero_point;
} tflm_ext_mul_scaled_t;

static inline void tflm_ext_mul_scaled(const tflm_ext_mul_scaled_t *op, const int8_t *input1,
                                       const int8_t *input2, int8_t *output)
{
    const tflm_ext_broadcast_t *const shape = &op->shape;
    int8_t *out = output;

    for (int32_t run = 0; run < shape->runs; ++run) {
        const int8_t *a = &input1[tflm_ext_run_start(shape->sizes, shape->steps1, run)];
        const int8_t *b = &input2[tflm_ext_run_start(shape->sizes, shape->steps2, run)];
        const int8_t *const end = &out[shape->length];
        while (out != end) {
            const int32_t product =
                ((int32_t)*a - op->input1_zero_point) * ((int32_t)*b - op->input2_zero_point);
            *out = tflm_ext_scale_to_int8(2 * product, op->output_multiplier, op->output_step,
                                          op->output_zero_point);
            ++out;
            a += shape->step1;
            b += shape->step2;
        }
    }
}

#endif
