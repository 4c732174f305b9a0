/* SPDX-License-Identifier: 0BSD */
/*
 * FULLY_CONNECTED like fully_connected_tile.h, but for any weights, sums and scales, including
 * those that do not fit its pair words or scales: weights of -128, sums of more than 24 bits, as of
 * long columns, and scales of 1/2 or more.
 *
 * Layouts: input [row][input], output [row][output]. For every four outputs, the stream contains a
 * word of weights of each output for every quad, as bytes in the order of the column before
 * widening; then bias, multiplier and shift of each. Outputs left over follow one by one. The bias
 * includes the contribution of the input's zero point.
 */
#ifndef TFLM_EXT_FULLY_CONNECTED_ANY_H
#define TFLM_EXT_FULLY_CONNECTED_ANY_H

#include <stdint.h>

#include "arithmetic.h"
#include "dsp.h"
#include "widen.h"

typedef struct {
    int32_t rows;
    int32_t input_size;
    int32_t output_size;
    int32_t octets; /* eight values each, of a column */
    int32_t output_zero_point;
} tflm_ext_fully_connected_any_t;

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */
/* Four values of a column times those of four filters. */
#define TFLM_EXT_SUMS_QUAD \
    "ldm   r0!, {r6, r7, r8, r9}\n\t" \
    "ldrd  r10, r11, [r1], 8\n\t" \
    "sxtb16 r12, r6\n\t" \
    "smlad r2, r12, r10, r2\n\t" \
    "sxtb16 r6, r6, ror 8\n\t" \
    "smlad r2, r6, r11, r2\n\t" \
    "sxtb16 r12, r7\n\t" \
    "smlad r3, r12, r10, r3\n\t" \
    "sxtb16 r7, r7, ror 8\n\t" \
    "smlad r3, r7, r11, r3\n\t" \
    "sxtb16 r12, r8\n\t" \
    "smlad r4, r12, r10, r4\n\t" \
    "sxtb16 r8, r8, ror 8\n\t" \
    "smlad r4, r8, r11, r4\n\t" \
    "sxtb16 r12, r9\n\t" \
    "smlad r5, r12, r10, r5\n\t" \
    "sxtb16 r9, r9, ror 8\n\t" \
    "smlad r5, r9, r11, r5\n\t"

/*
 * Sums of four filters on a column of octets, without bias. r0 stream, r1 column, r2-r5 sums, r6-r9
 * weights, r10 and r11 words of the column, r12 weights as int16, lr the column's end.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_sums_4x1(const int32_t *stream, const uint32_t *column, const uint32_t *end,
                  int32_t *sums)
{
    __asm__ volatile(
        "push  {r3-r11, lr}\n\t"
        "mov   lr, r2\n\t"
        "movs  r2, #0\n\t"
        "movs  r3, #0\n\t"
        "movs  r4, #0\n\t"
        "movs  r5, #0\n"
        "1:\n\t" TFLM_EXT_SUMS_QUAD TFLM_EXT_SUMS_QUAD
        "cmp   r1, lr\n\t"
        "bne   1b\n\t"
        "ldr   r12, [sp], #4\n\t"
        "stm   r12, {r2-r5}\n\t"
        "pop   {r4-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_sums_4x1(const int32_t *stream, const uint32_t *column,
                                     const uint32_t *end, int32_t *sums)
{
    const int32_t *next = stream;
    uint32_t own[4] = { 0U, 0U, 0U, 0U };

    for (const uint32_t *quad = column; quad != end; quad = &quad[2]) {
        for (int32_t i = 0; i < 4; ++i) {
            const uint32_t weights = (uint32_t)next[i];
            own[i] = tflm_ext_smlad(tflm_ext_sxtb16(weights), quad[0], own[i]);
            own[i] = tflm_ext_smlad(tflm_ext_sxtb16_ror8(weights), quad[1], own[i]);
        }
        next = &next[4];
    }
    for (int32_t i = 0; i < 4; ++i) {
        sums[i] = (int32_t)own[i];
    }
}

#endif

/* The sum of one filter on a column. */
static inline int32_t tflm_ext_sums_1x1(const int32_t *stream, const uint32_t *column,
                                        int32_t quads)
{
    uint32_t sum = 0U;

    for (int32_t k = 0; k < quads; ++k) {
        const uint32_t weights = (uint32_t)stream[k];
        sum = tflm_ext_smlad(tflm_ext_sxtb16(weights), column[2 * k], sum);
        sum = tflm_ext_smlad(tflm_ext_sxtb16_ror8(weights), column[(2 * k) + 1], sum);
    }
    return (int32_t)sum;
}

TFLM_EXT_SHARED static void tflm_ext_fully_connected_any(const tflm_ext_fully_connected_any_t *op,
                                                         const int8_t *input, const int32_t *stream,
                                                         int32_t *column, int8_t *output)
{
    const int32_t quads = 2 * op->octets;
    const int32_t whole = op->output_size - (op->output_size % 4);
    uint32_t *const one = (uint32_t *)column;
    int32_t sums[4];

    for (int32_t row = 0; row < op->rows; ++row) {
        int8_t *const out = &output[row * op->output_size];
        const int32_t *next = stream;
        tflm_ext_widen_1(&input[row * op->input_size], op->input_size, one, 2 * quads);
        for (int32_t i = 0; i < op->output_size; ++i) {
            if (i >= whole) {
                sums[i % 4] = tflm_ext_sums_1x1(next, one, quads);
                next = &next[quads];
            } else if ((i % 4) == 0) {
                tflm_ext_sums_4x1(next, one, &one[2 * quads], sums);
                next = &next[4 * quads];
            } else {
                /* its sum was computed with those before */
            }
            const int32_t scaled = tflm_ext_requantize(sums[i % 4] + next[0], next[1], next[2]);
            out[i] = (int8_t)tflm_ext_ssat8(scaled + op->output_zero_point);
            next = &next[3];
        }
    }
}

#endif
