/* SPDX-License-Identifier: 0BSD */
/*
 * The matrix product of a convolution: two filters times three columns at a time.
 *
 * A column contains the values under one position of the filter as int16, two in a word: of every
 * four values first 0 and 2, then 1 and 3, the order in which SXTB16 extracts them from a word of
 * int8. Three columns are interleaved word by word.
 *
 * The stream of weights is read once, in order. For each pair of filters it contains a word for
 * every two values k and l: 256 * second[k] + first[k] in the low half, the same for l in the high
 * half. The product with this word is 256 * sum of the second + sum of the first; the product with
 * its low bytes is the sum of the first. The difference, divided by 256, is the sum of the second.
 * This is exact modulo 2^32 as long as the sums are below 2^23, which was proven when this code was
 * generated. After its weights, each pair has the two requant words of tflm_ext_sum_to_int8() of
 * the second filter, then those of the first.
 */
#ifndef TFLM_EXT_MATRIX_TILE_H
#define TFLM_EXT_MATRIX_TILE_H

#include <stdint.h>

#include "dsp.h"

typedef struct {
    const int32_t *end; /* of the stream's pairs of filters */
    int32_t quads;      /* four values each, of a column */
    int32_t zero_point; /* of the output */
    int32_t stride;     /* bytes between the outputs of neighbouring columns */
} tflm_ext_tile_t;

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */
/* Four values of three columns times those of two filters. */
#define TFLM_EXT_TILE_QUAD \
    "ldrd  r11, r12, [r0], 8\n\t" \
    "ldm   r1!, {r8, r9, r10}\n\t" \
    "smlad r5, r11, r8, r5\n\t" \
    "smlad r6, r11, r9, r6\n\t" \
    "smlad r7, r11, r10, r7\n\t" \
    "sxtb16 r11, r11\n\t" \
    "smlad r2, r11, r8, r2\n\t" \
    "smlad r3, r11, r9, r3\n\t" \
    "smlad r4, r11, r10, r4\n\t" \
    "ldm   r1!, {r8, r9, r10}\n\t" \
    "smlad r5, r12, r8, r5\n\t" \
    "smlad r6, r12, r9, r6\n\t" \
    "smlad r7, r12, r10, r7\n\t" \
    "sxtb16 r12, r12\n\t" \
    "smlad r2, r12, r8, r2\n\t" \
    "smlad r3, r12, r9, r3\n\t" \
    "smlad r4, r12, r10, r4\n\t"

/*
 * r0 stream, r1 columns, r2-r4 sums of the first filter, r5-r7 of the second, r8-r10 a word of each
 * column, r11 and r12 weights, lr rounds left. On the stack: -1, zero_point, stride,
 * output of the second filter, rounds of the loop, entry of the loop, columns, end.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_tile_2x3(const int32_t *stream, const uint32_t *columns, int8_t *out,
                  const tflm_ext_tile_t *tile)
{
    __asm__ volatile(
        "push  {r4-r11, lr}\n\t"
        "ldm   r3, {r4, r5, r8, r9}\n\t" /* end, quads, zero_point, stride */
        "subs  r5, r5, #1\n\t"
        "adr   r7, 4f\n\t"
        "it    eq\n\t"
        "adreq r7, 8f\n\t"
        "and   r6, r5, #3\n\t"
        "cmp   r6, #1\n\t"
        "it    eq\n\t"
        "adreq r7, 7f\n\t"
        "cmp   r6, #2\n\t"
        "it    eq\n\t"
        "adreq r7, 6f\n\t"
        "cmp   r6, #3\n\t"
        "it    eq\n\t"
        "adreq r7, 5f\n\t"
        "add   r5, r5, #3\n\t"
        "lsr   r5, r5, #2\n\t" /* rounds of four quads after the first one */
        "orr   r6, r7, #1\n\t"
        "mov   r7, r1\n\t"
        "mov   r12, r4\n\t"
        "push  {r5-r7, r12}\n\t"
        "mvn   r7, #0\n\t"
        "add   r10, r2, #1\n\t"
        "push  {r7-r10}\n\t"
        "1:\n\t"
        "ldrd  r11, r12, [r0], #8\n\t" /* the first quad */
        "ldm   r1!, {r8, r9, r10}\n\t"
        "smuad r5, r11, r8\n\t"
        "smuad r6, r11, r9\n\t"
        "smuad r7, r11, r10\n\t"
        "sxtb16 r11, r11\n\t"
        "smuad r2, r11, r8\n\t"
        "smuad r3, r11, r9\n\t"
        "smuad r4, r11, r10\n\t"
        "ldm   r1!, {r8, r9, r10}\n\t"
        "smlad r5, r12, r8, r5\n\t"
        "smlad r6, r12, r9, r6\n\t"
        "smlad r7, r12, r10, r7\n\t"
        "sxtb16 r12, r12\n\t"
        "smlad r2, r12, r8, r2\n\t"
        "smlad r3, r12, r9, r3\n\t"
        "smlad r4, r12, r10, r4\n\t"
        "ldrd  lr, r8, [sp, #16]\n\t"
        "bx    r8\n\t"
        ".balign 4\n"
        "4:\n\t" TFLM_EXT_TILE_QUAD
        ".balign 4\n"
        "5:\n\t" TFLM_EXT_TILE_QUAD
        ".balign 4\n"
        "6:\n\t" TFLM_EXT_TILE_QUAD
        ".balign 4\n"
        "7:\n\t" TFLM_EXT_TILE_QUAD
        "subs  lr, lr, #1\n\t"
        "bne   4b\n\t"
        ".balign 4\n"
        "8:\n\t"
        "sub   r5, r5, r2\n\t"
        "sub   r6, r6, r3\n\t"
        "sub   r7, r7, r4\n\t"
        "ldm   sp, {r1, r11, r12, lr}\n\t" /* -1, zero_point, stride, output */
        "ldm   r0!, {r8, r9}\n\t"
        "lsl   r10, r1, r8\n\t" /* the step */
        "asr   r8, r8, #8\n\t"  /* the bias */
        "add   r7, r8, r7, asr #8\n\t"
        "smmlar r7, r7, r9, r7\n\t"
        "add   r7, r7, r7, asr #31\n\t"
        "smmlsr r7, r7, r10, r11\n\t"
        "ssat  r7, #8, r7\n\t"
        "strb  r7, [lr, r12, lsl #1]\n\t"
        "add   r6, r8, r6, asr #8\n\t"
        "smmlar r6, r6, r9, r6\n\t"
        "add   r6, r6, r6, asr #31\n\t"
        "smmlsr r6, r6, r10, r11\n\t"
        "ssat  r6, #8, r6\n\t"
        "strb  r6, [lr, r12]\n\t"
        "add   r5, r8, r5, asr #8\n\t"
        "smmlar r5, r5, r9, r5\n\t"
        "add   r5, r5, r5, asr #31\n\t"
        "smmlsr r5, r5, r10, r11\n\t"
        "ssat  r5, #8, r5\n\t"
        "strb  r5, [lr], #-1\n\t"
        "ldm   r0!, {r8, r9}\n\t"
        "lsl   r10, r1, r8\n\t"
        "ldr   r1, [sp, #24]\n\t" /* columns */
        "add   r4, r4, r8, asr #8\n\t"
        "smmlar r4, r4, r9, r4\n\t"
        "add   r4, r4, r4, asr #31\n\t"
        "smmlsr r4, r4, r10, r11\n\t"
        "ssat  r4, #8, r4\n\t"
        "strb  r4, [lr, r12, lsl #1]\n\t"
        "add   r3, r3, r8, asr #8\n\t"
        "smmlar r3, r3, r9, r3\n\t"
        "add   r3, r3, r3, asr #31\n\t"
        "smmlsr r3, r3, r10, r11\n\t"
        "ssat  r3, #8, r3\n\t"
        "strb  r3, [lr, r12]\n\t"
        "add   r2, r2, r8, asr #8\n\t"
        "smmlar r2, r2, r9, r2\n\t"
        "add   r2, r2, r2, asr #31\n\t"
        "smmlsr r2, r2, r10, r11\n\t"
        "ssat  r2, #8, r2\n\t"
        "strb  r2, [lr], #3\n\t"
        "str   lr, [sp, #12]\n\t"
        "ldr   r8, [sp, #28]\n\t"
        "cmp   r0, r8\n\t"
        "bne   1b\n\t"
        "add   sp, sp, #32\n\t"
        "pop   {r4-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_tile_2x3(const int32_t *stream, const uint32_t *columns, int8_t *out,
                                     const tflm_ext_tile_t *tile)
{
    const int32_t words = 2 * tile->quads;
    int8_t *target = out;

    for (const int32_t *next = stream; next != tile->end; next = &next[words + 4]) {
        const int32_t *const second = &next[words];
        const int32_t *const first = &next[words + 2];
        for (int32_t i = 0; i < 3; ++i) {
            uint32_t both = 0U;
            uint32_t low = 0U;
            for (int32_t k = 0; k < words; ++k) {
                const uint32_t weights = (uint32_t)next[k];
                both = tflm_ext_smlad(weights, columns[(3 * k) + i], both);
                low = tflm_ext_smlad(tflm_ext_sxtb16(weights), columns[(3 * k) + i], low);
            }
            int8_t *const pixel = &target[i * tile->stride];
            pixel[1] = tflm_ext_sum_to_int8((int32_t)(both - low) >> 8, second, tile->zero_point);
            pixel[0] = tflm_ext_sum_to_int8((int32_t)low, first, tile->zero_point);
        }
        target = &target[2];
    }
}

#endif

/*
 * A last filter without a partner: its weights as pairs of int16, then its two requant words.
 */
static inline void tflm_ext_tile_1x3(const int32_t *stream, const uint32_t *columns, int8_t *out,
                                     const tflm_ext_tile_t *tile)
{
    const int32_t words = 2 * tile->quads;
    uint32_t sums[3] = { 0U, 0U, 0U };

    for (int32_t k = 0; k < words; ++k) {
        const uint32_t weights = (uint32_t)stream[k];
        sums[0] = tflm_ext_smlad(weights, columns[3 * k], sums[0]);
        sums[1] = tflm_ext_smlad(weights, columns[(3 * k) + 1], sums[1]);
        sums[2] = tflm_ext_smlad(weights, columns[(3 * k) + 2], sums[2]);
    }
    for (int32_t i = 0; i < 3; ++i) {
        out[i * tile->stride] =
            tflm_ext_sum_to_int8((int32_t)sums[i], &stream[words], tile->zero_point);
    }
}

#endif
