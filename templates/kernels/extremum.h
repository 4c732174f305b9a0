/* SPDX-License-Identifier: 0BSD */
/*
 * MAXIMUM and MINIMUM of the quantised values, regardless of their scales.
 *
 * The output may share memory with an input of the same size.
 */
#ifndef TFLM_EXT_EXTREMUM_H
#define TFLM_EXT_EXTREMUM_H

#include <stdint.h>

#include "arithmetic.h"
#include "broadcast.h"

typedef struct {
    tflm_ext_broadcast_t shape;
    int32_t sign; /* 1: maximum, -1: minimum */
} tflm_ext_extremum_t;

/* The larger or smaller of two. */
static inline int8_t tflm_ext_extremum_element(const tflm_ext_extremum_t *op, int8_t a, int8_t b)
{
    return ((((int32_t)a - (int32_t)b) * op->sign) > 0) ? a : b;
}

static inline void tflm_ext_extremum(const tflm_ext_extremum_t *op, const int8_t *input1,
                                     const int8_t *input2, int8_t *output)
{
    const tflm_ext_broadcast_t *const shape = &op->shape;
    int8_t *out = output;

    for (int32_t run = 0; run < shape->runs; ++run) {
        const int8_t *a = &input1[tflm_ext_run_start(shape->sizes, shape->steps1, run)];
        const int8_t *b = &input2[tflm_ext_run_start(shape->sizes, shape->steps2, run)];
        for (int32_t i = 0; i < shape->length; ++i) {
            *out = tflm_ext_extremum_element(op, *a, *b);
            ++out;
            a += shape->step1;
            b += shape->step2;
        }
    }
}

#endif
