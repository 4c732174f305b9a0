/* SPDX-License-Identifier: 0BSD */
/*
 * MEAN and SUM over any axes of an int8 tensor.
 *
 * Neighbouring axes of one kind are merged, so three kept and three reduced axes are enough.
 * The output may begin at the address of the input: every sum is finished before it is written, and
 * no later sum reads the bytes before it.
 */
#ifndef TFLM_EXT_REDUCE_SUM_H
#define TFLM_EXT_REDUCE_SUM_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t kept_shape[3]; /* outermost axis first */
    int32_t kept_strides[3];
    int32_t reduced_shape[3];
    int32_t reduced_strides[3];
    int32_t offset; /* minus the input's zero point, for every element of a sum */
    int32_t multiplier;
    int32_t shift;
    int32_t output_zero_point;
} tflm_ext_reduce_sum_t;

/* The sum of one output element. */
static inline int32_t tflm_ext_reduce_sum_at(const tflm_ext_reduce_sum_t *op, const int8_t *input)
{
    const int32_t *strides = op->reduced_strides;
    int32_t sum = op->offset;

    for (int32_t i = 0; i < op->reduced_shape[0]; ++i) {
        for (int32_t j = 0; j < op->reduced_shape[1]; ++j) {
            const int8_t *row = &input[(i * strides[0]) + (j * strides[1])];
            for (int32_t k = 0; k < op->reduced_shape[2]; ++k) {
                sum += row[k * strides[2]];
            }
        }
    }
    return sum;
}

static inline void tflm_ext_reduce_sum(const tflm_ext_reduce_sum_t *op, const int8_t *input,
                                       int8_t *output)
{
    const int32_t *strides = op->kept_strides;
    int8_t *out = output;

    for (int32_t i = 0; i < op->kept_shape[0]; ++i) {
        for (int32_t j = 0; j < op->kept_shape[1]; ++j) {
            const int8_t *row = &input[(i * strides[0]) + (j * strides[1])];
            for (int32_t k = 0; k < op->kept_shape[2]; ++k) {
                const int32_t sum = tflm_ext_reduce_sum_at(op, &row[k * strides[2]]);
                const int32_t scaled = tflm_ext_requantize(sum, op->multiplier, op->shift);
                *out = (int8_t)tflm_ext_clamp(scaled + op->output_zero_point, -128, 127);
                ++out;
            }
        }
    }
}

#endif
