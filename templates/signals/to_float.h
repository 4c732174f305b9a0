/* SPDX-License-Identifier: 0BSD */
/* Integer features as float32, in their unit. */
#ifndef TFLM_EXT_TO_FLOAT_H
#define TFLM_EXT_TO_FLOAT_H

#include <stdint.h>

#include "exact_float.h"

typedef struct {
    int32_t count;
    int32_t zero_point;
} tflm_ext_int8_to_float_t;

typedef tflm_ext_int8_to_float_t tflm_ext_int16_to_float_t;
typedef tflm_ext_int8_to_float_t tflm_ext_int32_to_float_t;

/* One value; the scale is that of a step. */
static inline float tflm_ext_to_float(const tflm_ext_int8_to_float_t *op, int32_t value,
                                      const float *scale)
{
    return tflm_ext_product((float)((int64_t)value - op->zero_point), scale[0]);
}

static inline void tflm_ext_int8_to_float(const tflm_ext_int8_to_float_t *op, const int8_t *input,
                                          const float *scale, float *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = tflm_ext_to_float(op, input[i], scale);
    }
}

static inline void tflm_ext_int16_to_float(const tflm_ext_int16_to_float_t *op,
                                           const int16_t *input, const float *scale, float *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = tflm_ext_to_float(op, input[i], scale);
    }
}

static inline void tflm_ext_int32_to_float(const tflm_ext_int32_to_float_t *op,
                                           const int32_t *input, const float *scale, float *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = tflm_ext_to_float(op, input[i], scale);
    }
}

#endif
