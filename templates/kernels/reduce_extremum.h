/* SPDX-License-Identifier: 0BSD */
/*
 * REDUCE_MAX and REDUCE_MIN over any axes of an int8 tensor.
 *
 * Neighbouring axes of one kind are merged, so three kept and three reduced axes are enough. The
 * output may begin at the address of the input: every extremum is found before it is written, and
 * no later one reads the bytes before it.
 */
#ifndef TFLM_EXT_REDUCE_EXTREMUM_H
#define TFLM_EXT_REDUCE_EXTREMUM_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t kept_shape[3]; /* outermost axis first */
    int32_t kept_strides[3];
    int32_t reduced_shape[3];
    int32_t reduced_strides[3];
    int32_t sign; /* 1: maximum, -1: minimum */
} tflm_ext_reduce_extremum_t;

/* The extremum of one output element. */
static inline int32_t tflm_ext_reduce_extremum_at(const tflm_ext_reduce_extremum_t *op,
                                                  const int8_t *input)
{
    const int32_t *strides = op->reduced_strides;
    int32_t best = -128;

    for (int32_t i = 0; i < op->reduced_shape[0]; ++i) {
        for (int32_t j = 0; j < op->reduced_shape[1]; ++j) {
            const int8_t *row = &input[(i * strides[0]) + (j * strides[1])];
            for (int32_t k = 0; k < op->reduced_shape[2]; ++k) {
                best = tflm_ext_max(best, op->sign * (int32_t)row[k * strides[2]]);
            }
        }
    }
    return op->sign * best;
}

static inline void tflm_ext_reduce_extremum(const tflm_ext_reduce_extremum_t *op,
                                            const int8_t *input, int8_t *output)
{
    const int32_t *strides = op->kept_strides;
    int8_t *out = output;

    for (int32_t i = 0; i < op->kept_shape[0]; ++i) {
        for (int32_t j = 0; j < op->kept_shape[1]; ++j) {
            const int8_t *row = &input[(i * strides[0]) + (j * strides[1])];
            for (int32_t k = 0; k < op->kept_shape[2]; ++k) {
                *out = (int8_t)tflm_ext_reduce_extremum_at(op, &row[k * strides[2]]);
                ++out;
            }
        }
    }
}

#endif
