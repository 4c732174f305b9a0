/* SPDX-License-Identifier: 0BSD */
/* The samples of a frame as int8. */
#ifndef TFLM_EXT_RAW_H
#define TFLM_EXT_RAW_H

#include "arithmetic.h"

typedef struct {
    int32_t count; /* samples of all channels */
    int32_t zero_point;
    int32_t shift; /* bits that are dropped, halves up */
} tflm_ext_raw_t;

static inline void tflm_ext_raw(const tflm_ext_raw_t *op, const int16_t *input, int8_t *output)
{
    const int32_t offset = (((int32_t)1 << op->shift) >> 1) - op->zero_point;

    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = (int8_t)tflm_ext_clamp((input[i] + offset) >> op->shift, -128, 127);
    }
}

#endif
