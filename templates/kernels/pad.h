/* SPDX-License-Identifier: 0BSD */
/* PAD and PADV2: the input inside a larger tensor that is filled with a value. */
#ifndef TFLM_EXT_PAD_H
#define TFLM_EXT_PAD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "rearrange.h"

typedef struct {
    int32_t bytes; /* of the output */
    int32_t value;
    tflm_ext_rearrange_t interior;
} tflm_ext_pad_t;

static inline void tflm_ext_pad(const tflm_ext_pad_t *op, const void *input, void *output)
{
    (void)memset(output, op->value, (size_t)op->bytes);
    tflm_ext_rearrange(&op->interior, input, output);
}

#endif
