/* SPDX-License-Identifier: 0BSD */
/*
 * Converts pairs of pixels of four neighbouring channels to four words each: the value of the first
 * pixel in the low half, that of the second pixel in the high half.
 */
#ifndef TFLM_EXT_DEPTHWISE_PACK_H
#define TFLM_EXT_DEPTHWISE_PACK_H

#include <stdint.h>

#include "dsp.h"

/*
 * Converts the requant words of tflm_ext_sum_to_int8() to the scale words of
 * tflm_ext_scale_to_int8(): twice the bias, multiplier and step.
 */
static inline void tflm_ext_depthwise_requant(int32_t bias, uint32_t shift, int32_t multiplier,
                                              int32_t *scale)
{
    scale[0] = 2 * bias;
    scale[1] = (int32_t)((uint32_t)multiplier >> 1);
    scale[2] = (int32_t)(0xFFFFFFFFU << shift);
}

/*
 * Converts taps of int8 to words of two int16: bytes 0 and 2, then bytes 1 and 3. Returns the next
 * place in the table.
 */
static inline const int32_t *tflm_ext_depthwise_taps(const int32_t *table, int32_t words,
                                                     int32_t *taps)
{
    const int32_t *next = table;
    int32_t i = 0;

    while (i < words) {
        const uint32_t bytes = (uint32_t)*next;
        next = &next[1];
        taps[i] = (int32_t)tflm_ext_sxtb16(bytes);
        ++i;
        if (i < words) {
            taps[i] = (int32_t)tflm_ext_sxtb16_ror8(bytes);
            ++i;
        }
    }
    return next;
}

/*
 * Converts taps, and writes the scale words after them: twice the bias, multiplier and step. The
 * table contains two requant words or, if a bias takes more than 24 bits, these three scale words.
 */
static inline const int32_t *tflm_ext_depthwise_expand(const int32_t *table, int32_t words,
                                                       int32_t requant_words, int32_t *taps)
{
    const int32_t *const next = tflm_ext_depthwise_taps(table, words, taps);

    if (requant_words == 3) {
        for (int32_t i = 0; i < 3; ++i) {
            taps[words + i] = next[i];
        }
        return &next[3];
    }
    tflm_ext_depthwise_requant(next[0] >> 8, (uint32_t)next[0] & 31U, next[1], &taps[words]);
    return &next[2];
}

/*
 * Counts: columns, step of the upper (or left) pixels, step of the lower (or right) ones. The step
 * of padding is 0.
 */
#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */
__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_pack(const int8_t *upper, const int8_t *lower, uint32_t *line,
                        const int32_t *counts)
{
    __asm__ volatile("push  {r4-r8, lr}\n\t"
                     "ldm   r3, {r3, r7, r8}\n"
                     "1:\n\t"
                     "ldr   r4, [r0]\n\t"
                     "ldr   r5, [r1]\n\t"
                     "add   r0, r0, r7\n\t"
                     "add   r1, r1, r8\n\t"
                     "pkhbt lr, r4, r5, lsl #16\n\t"
                     "pkhtb r12, r5, r4, asr #16\n\t"
                     "sxtb16 r4, lr\n\t"
                     "sxtb16 r5, lr, ror #8\n\t"
                     "sxtb16 r6, r12\n\t"
                     "sxtb16 r12, r12, ror #8\n\t"
                     "stm   r2!, {r4, r5, r6, r12}\n\t"
                     "subs  r3, r3, #1\n\t"
                     "bne   1b\n\t"
                     "pop   {r4-r8, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_depthwise_pack(const int8_t *upper, const int8_t *lower, uint32_t *line,
                                           const int32_t *counts)
{
    for (int32_t x = 0; x < counts[0]; ++x) {
        const uint32_t a = tflm_ext_load_word(&upper[x * counts[1]]);
        const uint32_t b = tflm_ext_load_word(&lower[x * counts[2]]);
        const uint32_t low = tflm_ext_low_halves(a, b);
        const uint32_t high = tflm_ext_high_halves(a, b);
        line[4 * x] = tflm_ext_sxtb16(low);
        line[(4 * x) + 1] = tflm_ext_sxtb16_ror8(low);
        line[(4 * x) + 2] = tflm_ext_sxtb16(high);
        line[(4 * x) + 3] = tflm_ext_sxtb16_ror8(high);
    }
}

#endif

#endif
