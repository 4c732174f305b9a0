/* SPDX-License-Identifier: 0BSD */
/*
 * CONV_2D like conv_2d_tile.h, but for any weights, sums and scales, including those that do not
 * fit its pair words or requant words: weights of -128, sums of more than 24 bits, scales of 1/2 or
 * more.
 *
 * For each pair of filters, the stream contains a word of the first and a word of the second filter
 * for every quad, as bytes in the order of a column before widening; then bias, multiplier and
 * shift of both. A last filter without a partner is paired with weights of zero, which have no
 * bias, multiplier and shift.
 */
#ifndef TFLM_EXT_CONV_2D_ANY_H
#define TFLM_EXT_CONV_2D_ANY_H

#include <stdint.h>

#include "arithmetic.h"
#include "conv_2d_tile.h"
#include "dsp.h"
#include "matrix_tile.h"

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */

/*
 * Sums of two filters on three columns, without bias. r0 stream, r1 columns, r2-r4 sums of the
 * first filter, r5-r7 of the second, r8-r10 a word of each column, r11 and r12 weights, lr those
 * of one as int16. On the stack: the end of the columns, sums.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_sums_2x3(const int32_t *stream, const uint32_t *columns, const uint32_t *end,
                  int32_t *sums)
{
    __asm__ volatile(
        "push  {r2-r11, lr}\n\t"
        "movs  r2, #0\n\t"
        "movs  r3, #0\n\t"
        "movs  r4, #0\n\t"
        "movs  r5, #0\n\t"
        "movs  r6, #0\n\t"
        "movs  r7, #0\n"
        "1:\n\t"
        "ldrd  r11, r12, [r0], #8\n\t"
        "ldm   r1!, {r8, r9, r10}\n\t"
        "sxtb16 lr, r11\n\t"
        "smlad r2, lr, r8, r2\n\t"
        "smlad r3, lr, r9, r3\n\t"
        "smlad r4, lr, r10, r4\n\t"
        "sxtb16 lr, r12\n\t"
        "smlad r5, lr, r8, r5\n\t"
        "smlad r6, lr, r9, r6\n\t"
        "smlad r7, lr, r10, r7\n\t"
        "ldm   r1!, {r8, r9, r10}\n\t"
        "sxtb16 r11, r11, ror #8\n\t"
        "smlad r2, r11, r8, r2\n\t"
        "smlad r3, r11, r9, r3\n\t"
        "smlad r4, r11, r10, r4\n\t"
        "sxtb16 r12, r12, ror #8\n\t"
        "smlad r5, r12, r8, r5\n\t"
        "smlad r6, r12, r9, r6\n\t"
        "smlad r7, r12, r10, r7\n\t"
        "ldr   lr, [sp]\n\t"
        "cmp   r1, lr\n\t"
        "bne   1b\n\t"
        "ldr   lr, [sp, #4]\n\t"
        "stm   lr, {r2-r7}\n\t"
        "pop   {r2-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_sums_2x3(const int32_t *stream, const uint32_t *columns,
                                     const uint32_t *end, int32_t *sums)
{
    const int32_t *next = stream;
    uint32_t own[6] = { 0U, 0U, 0U, 0U, 0U, 0U };

    for (const uint32_t *quad = columns; quad != end; quad = &quad[6]) {
        for (int32_t i = 0; i < 6; ++i) {
            const uint32_t weights = (uint32_t)next[i / 3];
            own[i] = tflm_ext_smlad(tflm_ext_sxtb16(weights), quad[i % 3], own[i]);
            own[i] = tflm_ext_smlad(tflm_ext_sxtb16_ror8(weights), quad[3 + (i % 3)], own[i]);
        }
        next = &next[2];
    }
    for (int32_t i = 0; i < 6; ++i) {
        sums[i] = (int32_t)own[i];
    }
}

#endif

/* All filters on three columns. */
static inline void tflm_ext_conv_2d_any_filters(const tflm_ext_tile_t *tile, int32_t filters,
                                                const int32_t *stream, const uint32_t *columns,
                                                int8_t *out)
{
    const int32_t words = 2 * tile->quads;
    const uint32_t *const end = &columns[3 * words];
    const int32_t *next = stream;
    int32_t sums[6];

    for (int32_t filter = 0; filter < filters; ++filter) {
        const int32_t *const own = &sums[3 * (filter % 2)];
        if ((filter % 2) == 0) {
            tflm_ext_sums_2x3(next, columns, end, sums);
            next = &next[words];
        }
        for (int32_t i = 0; i < 3; ++i) {
            const int32_t scaled = tflm_ext_requantize(own[i] + next[0], next[1], next[2]);
            out[(i * tile->stride) + filter] = (int8_t)tflm_ext_ssat8(scaled + tile->zero_point);
        }
        next = &next[3];
    }
}

typedef tflm_ext_conv_2d_tile_t tflm_ext_conv_2d_any_t;

TFLM_EXT_SHARED static void tflm_ext_conv_2d_any(const tflm_ext_conv_2d_any_t *op,
                                                 const int8_t *input, const int32_t *stream,
                                                 int32_t *columns, int8_t *bytes, int8_t *output)
{
    const tflm_ext_tile_t tile = { stream, op->quads, op->output_zero_point, op->output_channels };

    tflm_ext_conv_2d_columns(op, input, stream, &tile, &tflm_ext_conv_2d_any_filters, columns,
                             bytes, output);
}

#endif
