/* SPDX-License-Identifier: 0BSD */
/* Maps features from `low` on, `span` values, onto all int8 values. */
#ifndef TFLM_EXT_TO_INT8_H
#define TFLM_EXT_TO_INT8_H

#include "arithmetic.h"

typedef struct {
    int32_t count;
    int32_t low;
    int32_t span;
} tflm_ext_int16_to_int8_t;

typedef tflm_ext_int16_to_int8_t tflm_ext_int32_to_int8_t;

/* One value; halves are rounded up. */
static inline int8_t tflm_ext_to_int8(const tflm_ext_int16_to_int8_t *op, int32_t value)
{
    const int32_t limited = tflm_ext_clamp(value, op->low, op->low + op->span);
    const int32_t above = limited - op->low;

    return (int8_t)tflm_ext_min((((above * 256) + (op->span / 2)) / op->span) - 128, 127);
}

static inline void tflm_ext_int16_to_int8(const tflm_ext_int16_to_int8_t *op, const int16_t *input,
                                          int8_t *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = tflm_ext_to_int8(op, input[i]);
    }
}

static inline void tflm_ext_int32_to_int8(const tflm_ext_int32_to_int8_t *op, const int32_t *input,
                                          int8_t *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = tflm_ext_to_int8(op, input[i]);
    }
}

#endif
