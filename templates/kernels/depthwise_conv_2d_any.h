/* SPDX-License-Identifier: 0BSD */
/*
 * DEPTHWISE_CONV_2D like depthwise_conv_2d_lines.h, but for any bias and scale, including those
 * that do not fit its requant words, such as scales of 1/2 or more. In the table, the taps of a
 * channel are followed by its bias, multiplier and shift.
 */
#ifndef TFLM_EXT_DEPTHWISE_CONV_2D_ANY_H
#define TFLM_EXT_DEPTHWISE_CONV_2D_ANY_H

#include <stdint.h>

#include "arithmetic.h"
#include "depthwise_conv_2d_lines.h"
#include "depthwise_pack.h"
#include "dsp.h"

static inline const int32_t *tflm_ext_depthwise_expand_any(const int32_t *table, int32_t words,
                                                           int32_t requant_words, int32_t *taps)
{
    const int32_t *const next = tflm_ext_depthwise_taps(table, words, taps);

    for (int32_t i = 0; i < requant_words; ++i) {
        taps[words + i] = next[i];
    }
    return &next[requant_words];
}

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */

/*
 * Sums of four outputs of a channel, without bias. r0 taps, r1 a line, r2 taps, r3 a word of the
 * line, r4-r7 sums, r8 column, r9 tap, r10 three columns, r11 pairs left, r12 lines, lr rows left.
 * On the stack: pairs, start of the windows, sums.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_sums(const int32_t *taps, const int32_t *lines, int32_t *sums,
                        const tflm_ext_depthwise_outputs_t *outputs, const uint32_t *start)
{
    __asm__ volatile(
        "push  {r2, r4-r11, lr}\n\t"
        "ldr   r11, [sp, #40]\n\t" /* start */
        "ldm   r3, {r7, r10, r12, lr}\n\t" /* rows, pairs, tap, column */
        "push  {r10, r11}\n\t"
        "mov   r9, r12\n\t"
        "mov   r8, lr\n\t"
        "mov   lr, r7\n\t"
        "mov   r12, r1\n\t"
        "add   r10, r8, r8, lsl #1\n\t"
        "movs  r4, #0\n\t"
        "movs  r5, #0\n\t"
        "movs  r6, #0\n\t"
        "movs  r7, #0\n"
        "1:\n\t"
        "ldr   r1, [r12], #4\n\t"
        "ldrd  r11, r2, [sp]\n\t"
        "add   r1, r1, r2\n"
        "2:\n\t" TFLM_EXT_DEPTHWISE_PAIR
        "subs  r11, r11, #1\n\t"
        "bne   2b\n\t"
        "subs  lr, lr, #1\n\t"
        "bne   1b\n\t"
        "ldr   r2, [sp, #8]\n\t"
        "stm   r2, {r4-r7}\n\t"
        "add   sp, sp, #12\n\t"
        "pop   {r4-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_depthwise_sums(const int32_t *taps, const int32_t *lines, int32_t *sums,
                                           const tflm_ext_depthwise_outputs_t *outputs,
                                           const uint32_t *start)
{
    for (int32_t i = 0; i < 4; ++i) {
        sums[i] = (int32_t)tflm_ext_depthwise_sum(taps, lines, outputs,
                                                  &start[(i * outputs->column) / 4]);
    }
}

#endif

TFLM_EXT_SHARED static void
tflm_ext_depthwise_four_outputs_any(const int32_t *taps, const int32_t *lines, int8_t *out,
                                    const tflm_ext_depthwise_outputs_t *outputs,
                                    const uint32_t *start)
{
    const int32_t *const requant = &taps[outputs->rows * outputs->pairs];
    const uint32_t *windows = start;
    int8_t *target = out;
    int32_t sums[4];

    for (int32_t group = 0; group < outputs->groups; ++group) {
        tflm_ext_depthwise_sums(taps, lines, sums, outputs, windows);
        for (int32_t i = 0; i < 4; ++i) {
            const int32_t scaled =
                tflm_ext_requantize(sums[i] + requant[0], requant[1], requant[2]);
            *target = (int8_t)tflm_ext_ssat8(scaled + outputs->zero_point);
            target = &target[outputs->pixel];
        }
        windows = &windows[outputs->column];
    }
}

typedef tflm_ext_depthwise_conv_2d_lines_t tflm_ext_depthwise_conv_2d_any_t;

TFLM_EXT_SHARED static void
tflm_ext_depthwise_conv_2d_any(const tflm_ext_depthwise_conv_2d_any_t *op, const int8_t *input,
                               const int32_t *table, int32_t *words, int8_t *output)
{
    tflm_ext_depthwise_lines(op, input, table, words, output, &tflm_ext_depthwise_expand_any,
                             &tflm_ext_depthwise_four_outputs_any);
}

#endif
