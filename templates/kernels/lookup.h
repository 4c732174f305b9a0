/* SPDX-License-Identifier: 0BSD */
/*
 * A function of one int8 number, worked out in advance for all 256 of them.
 *
 * The table begins with the result for -128. Output may be the input's memory.
 */
#ifndef TFLM_EXT_LOOKUP_H
#define TFLM_EXT_LOOKUP_H

#include <stdint.h>

typedef struct {
    int32_t elements;
} tflm_ext_lookup_t;

static inline void tflm_ext_lookup(const tflm_ext_lookup_t *op, const int8_t *input,
                                   const int8_t *table, int8_t *output)
{
    const int8_t *const result_for_0 = &table[128];

    for (int32_t i = 0; i < op->elements; ++i) {
        output[i] = result_for_0[input[i]];
    }
}

#endif
