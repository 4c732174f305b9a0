/* SPDX-License-Identifier: 0BSD */
/*
 * Limits int8 values: RELU, RELU6 and similar operators whose input and output have the same
 * quantisation, and fused activations after kernels that only limit to int8.
 *
 * The output may share memory with the input.
 */
#ifndef TFLM_EXT_LIMIT_H
#define TFLM_EXT_LIMIT_H

#include <stdint.h>

#include "arithmetic.h"
#include "dsp.h"

typedef struct {
    int32_t elements;
    int32_t output_min;
    int32_t output_max;
} tflm_ext_limit_t;

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */
/* Eight words at a time, from r0 to r1, bytes not below those of r2. */
__attribute__((naked, noinline, unused)) static void
tflm_ext_limit_low(const int8_t *input, int8_t *output, uint32_t low, int32_t rounds)
{
    __asm__ volatile(
        "push  {r4-r11, lr}\n"
        "1:\n\t"
        "ldm   r0!, {r4-r11}\n\t"
        "ssub8 lr, r4, r2\n\t"
        "sel   r4, r4, r2\n\t"
        "ssub8 lr, r5, r2\n\t"
        "sel   r5, r5, r2\n\t"
        "ssub8 lr, r6, r2\n\t"
        "sel   r6, r6, r2\n\t"
        "ssub8 lr, r7, r2\n\t"
        "sel   r7, r7, r2\n\t"
        "ssub8 lr, r8, r2\n\t"
        "sel   r8, r8, r2\n\t"
        "ssub8 lr, r9, r2\n\t"
        "sel   r9, r9, r2\n\t"
        "ssub8 lr, r10, r2\n\t"
        "sel   r10, r10, r2\n\t"
        "ssub8 lr, r11, r2\n\t"
        "sel   r11, r11, r2\n\t"
        "stm   r1!, {r4-r11}\n\t"
        "subs  r3, r3, #1\n\t"
        "bne   1b\n\t"
        "pop   {r4-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_limit_low(const int8_t *input, int8_t *output, uint32_t low,
                                      int32_t rounds)
{
    for (int32_t i = 0; i < (32 * rounds); i += 4) {
        const uint32_t word = tflm_ext_load_word(&input[i]);
        tflm_ext_store_word(tflm_ext_max_bytes(word, low), &output[i]);
    }
}

#endif

/* Input and output are aligned to four bytes. */
TFLM_EXT_SHARED static void tflm_ext_limit(const tflm_ext_limit_t *op, const int8_t *input,
                                           int8_t *output)
{
    const uint32_t low = 0x01010101U * ((uint32_t)op->output_min & 0xFFU);
    const uint32_t high = 0x01010101U * ((uint32_t)op->output_max & 0xFFU);
    int32_t i = 0;

    if ((op->output_max == 127) && (op->elements >= 32)) {
        i = op->elements - (op->elements % 32);
        tflm_ext_limit_low(input, output, low, i / 32);
    }
    for (; (i + 4) <= op->elements; i += 4) {
        const uint32_t word = tflm_ext_max_bytes(tflm_ext_load_word(&input[i]), low);
        tflm_ext_store_word(tflm_ext_min_bytes(word, high), &output[i]);
    }
    for (; i < op->elements; ++i) {
        output[i] = (int8_t)tflm_ext_clamp(input[i], op->output_min, op->output_max);
    }
}

#endif
