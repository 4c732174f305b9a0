/* SPDX-License-Identifier: 0BSD */
/*
 * ADD without a multiplication for input 1: its scale, the larger of the two, is half of the common
 * scale.
 *
 * Both inputs are multiplied by 2^20, as in add.h; the offsets contain the zero points. For steps,
 * see tflm_ext_scale_to_int8(). The output may share memory with an input of the same size.
 */
#ifndef TFLM_EXT_ADD_SCALED_H
#define TFLM_EXT_ADD_SCALED_H

#include <stdint.h>

#include "broadcast.h"
#include "dsp.h"

typedef struct {
    tflm_ext_broadcast_t shape; /* input 1 has half of the common scale */
    int32_t offset1;            /* -2^20 times its zero point */
    int32_t offset2;            /* -2^21 times that of the other */
    int32_t multiplier2;
    int32_t step2;
    int32_t output_multiplier;
    int32_t output_step;
    int32_t output_zero_point;
} tflm_ext_add_scaled_t;

static inline void tflm_ext_add_scaled(const tflm_ext_add_scaled_t *op, const int8_t *input1,
                                       const int8_t *input2, int8_t *output)
{
    const tflm_ext_broadcast_t *const shape = &op->shape;
    int8_t *out = output;

    for (int32_t run = 0; run < shape->runs; ++run) {
        const int8_t *a = &input1[tflm_ext_run_start(shape->sizes, shape->steps1, run)];
        const int8_t *b = &input2[tflm_ext_run_start(shape->sizes, shape->steps2, run)];
        const int8_t *const end = &out[shape->length];
        while (out != end) {
            const int32_t first = op->offset1 + ((int32_t)*a * (1 << 20));
            const int32_t second = op->offset2 + ((int32_t)*b * (1 << 21));
            const int32_t high = tflm_ext_smmulr(second, op->multiplier2);
            const int32_t scaled = tflm_ext_smmlsr(high + (high >> 31), op->step2, 0);
            *out = tflm_ext_scale_to_int8(first + (2 * scaled), op->output_multiplier,
                                          op->output_step, op->output_zero_point);
            ++out;
            a += shape->step1;
            b += shape->step2;
        }
    }
}

#endif
