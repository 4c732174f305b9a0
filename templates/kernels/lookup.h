/* SPDX-License-Identifier: 0BSD */
/*
 * A function of an int8 value, as a table of its 256 results.
 *
 * The table begins with the result for -128. The output may share memory with the input.
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
