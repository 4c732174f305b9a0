/* SPDX-License-Identifier: 0BSD */
/* RESHAPE, EXPAND_DIMS and SQUEEZE if the output cannot share the bytes of the input. */
#ifndef TFLM_EXT_COPY_H
#define TFLM_EXT_COPY_H

#include <stdint.h>
#include <string.h>

typedef struct {
    uint32_t bytes;
} tflm_ext_copy_t;

/* Input and output may overlap. */
static inline void tflm_ext_copy(const tflm_ext_copy_t *op, const void *input, void *output)
{
    (void)memmove(output, input, op->bytes);
}

#endif
