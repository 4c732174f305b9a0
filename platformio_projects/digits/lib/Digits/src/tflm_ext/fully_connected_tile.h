/* SPDX-License-Identifier: 0BSD */
/*
 * FULLY_CONNECTED, four outputs at a time; matrix_tile.h describes how two filters share a word,
 * and the order of a column.
 *
 * Layouts: input [row][input], output [row][output]. For every four outputs, the stream contains
 * the words of both pairs of filters for every word of the column, then the doubled biases. Outputs
 * left over follow one by one, with weights as pairs of int16. The bias includes the contribution
 * of the input's zero point. A separate table contains multiplier and step, see
 * tflm_ext_scale_to_int8(), of every output, or once if they are the same for all outputs.
 */
#ifndef TFLM_EXT_FULLY_CONNECTED_TILE_H
#define TFLM_EXT_FULLY_CONNECTED_TILE_H

#include <stdint.h>

#include "dsp.h"
#include "widen.h"

typedef struct {
    int32_t rows;
    int32_t input_size;
    int32_t output_size;
    int32_t octets;     /* eight values each, of a column */
    int32_t scale_step; /* words from one output's multiplier to the next: 2, or 0 if shared */
    int32_t output_zero_point;
} tflm_ext_fully_connected_tile_t;

typedef struct {
    const int32_t *end; /* of the stream's tiles of filters */
    const uint32_t *column_end;
    int32_t column_bytes;
    int32_t zero_point;    /* of the output */
    const int32_t *scales; /* multiplier and step of the first output */
    int32_t scale_bytes;   /* to those of the next */
} tflm_ext_tile_4x1_t;

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */
/* Eight values of a column times those of four filters. */
#define TFLM_EXT_TILE_OCTET \
    "ldm   r1!, {r10, r11, r12, lr}\n\t" \
    "ldm   r0!, {r6, r7, r8, r9}\n\t" \
    "smlad r3, r6, r10, r3\n\t" \
    "sxtb16 r6, r6\n\t" \
    "smlad r2, r6, r10, r2\n\t" \
    "smlad r5, r7, r10, r5\n\t" \
    "sxtb16 r7, r7\n\t" \
    "smlad r4, r7, r10, r4\n\t" \
    "smlad r3, r8, r11, r3\n\t" \
    "sxtb16 r8, r8\n\t" \
    "smlad r2, r8, r11, r2\n\t" \
    "smlad r5, r9, r11, r5\n\t" \
    "sxtb16 r9, r9\n\t" \
    "smlad r4, r9, r11, r4\n\t" \
    "ldm   r0!, {r6, r7, r8, r9}\n\t" \
    "smlad r3, r6, r12, r3\n\t" \
    "sxtb16 r6, r6\n\t" \
    "smlad r2, r6, r12, r2\n\t" \
    "smlad r5, r7, r12, r5\n\t" \
    "sxtb16 r7, r7\n\t" \
    "smlad r4, r7, r12, r4\n\t" \
    "smlad r3, r8, lr, r3\n\t" \
    "sxtb16 r8, r8\n\t" \
    "smlad r2, r8, lr, r2\n\t" \
    "smlad r5, r9, lr, r5\n\t" \
    "sxtb16 r9, r9\n\t" \
    "smlad r4, r9, lr, r4\n\t"

/*
 * r0 stream, r1 column, r2-r5 sums, r6-r9 weights, r10-r12 and lr words of the column. On the
 * stack: output, entry of the loop, end, column_end, column_bytes, zero_point, scales,
 * scale_bytes.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_tile_4x1(const int32_t *stream, const uint32_t *column, int8_t *out,
                  const tflm_ext_tile_4x1_t *tile)
{
    __asm__ volatile(
        "push  {r4-r11, lr}\n\t"
        "ldm   r3, {r4-r9}\n\t" /* *tile */
        "adr   r3, 3f\n\t"
        "tst   r6, #16\n\t" /* an odd number of octets */
        "it    ne\n\t"
        "adrne r3, 4f\n\t"
        "orr   r3, r3, #1\n\t"
        "push  {r2-r9}\n\t"
        "1:\n\t"
        "movs  r2, #0\n\t"
        "movs  r3, #0\n\t"
        "movs  r4, #0\n\t"
        "movs  r5, #0\n\t"
        "ldr   r6, [sp, #4]\n\t"
        "bx    r6\n\t"
        ".balign 4\n"
        "3:\n\t" TFLM_EXT_TILE_OCTET
        ".balign 4\n"
        "4:\n\t" TFLM_EXT_TILE_OCTET
        "ldr   lr, [sp, #12]\n\t"
        "cmp   r1, lr\n\t"
        "bne   3b\n\t"
        "sub   r3, r3, r2\n\t"
        "sub   r5, r5, r4\n\t"
        "ldrd  r8, r9, [sp, #16]\n\t"
        "sub   r1, r1, r8\n\t"
        "ldrd  r11, r12, [sp, #24]\n\t"
        "ldr   r10, [sp]\n\t"
        "ldr   r6, [r0], #4\n\t"
        "ldrd  r7, r8, [r11]\n\t"
        "add   r11, r11, r12\n\t"
        "add   r2, r6, r2, lsl #1\n\t"
        "smmulr r2, r2, r7\n\t"
        "add   r2, r2, r2, asr #31\n\t"
        "smmlsr r2, r2, r8, r9\n\t"
        "ssat  r2, #8, r2\n\t"
        "strb  r2, [r10], #1\n\t"
        "ldr   r6, [r0], #4\n\t"
        "ldrd  r7, r8, [r11]\n\t"
        "add   r11, r11, r12\n\t"
        "add   r3, r6, r3, asr #7\n\t"
        "smmulr r3, r3, r7\n\t"
        "add   r3, r3, r3, asr #31\n\t"
        "smmlsr r3, r3, r8, r9\n\t"
        "ssat  r3, #8, r3\n\t"
        "strb  r3, [r10], #1\n\t"
        "ldr   r6, [r0], #4\n\t"
        "ldrd  r7, r8, [r11]\n\t"
        "add   r11, r11, r12\n\t"
        "add   r4, r6, r4, lsl #1\n\t"
        "smmulr r4, r4, r7\n\t"
        "add   r4, r4, r4, asr #31\n\t"
        "smmlsr r4, r4, r8, r9\n\t"
        "ssat  r4, #8, r4\n\t"
        "strb  r4, [r10], #1\n\t"
        "ldr   r6, [r0], #4\n\t"
        "ldrd  r7, r8, [r11]\n\t"
        "add   r11, r11, r12\n\t"
        "add   r5, r6, r5, asr #7\n\t"
        "smmulr r5, r5, r7\n\t"
        "add   r5, r5, r5, asr #31\n\t"
        "smmlsr r5, r5, r8, r9\n\t"
        "ssat  r5, #8, r5\n\t"
        "strb  r5, [r10], #1\n\t"
        "str   r11, [sp, #24]\n\t"
        "str   r10, [sp]\n\t"
        "ldr   lr, [sp, #8]\n\t"
        "cmp   r0, lr\n\t"
        "bne   1b\n\t"
        "add   sp, sp, #32\n\t"
        "pop   {r4-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_tile_4x1(const int32_t *stream, const uint32_t *column, int8_t *out,
                                     const tflm_ext_tile_4x1_t *tile)
{
    const int32_t words = tile->column_bytes / 4;
    const int32_t *scale = tile->scales;
    int8_t *target = out;

    for (const int32_t *next = stream; next != tile->end; next = &next[(2 * words) + 4]) {
        const int32_t *const biases = &next[2 * words];
        for (int32_t i = 0; i < 4; ++i) {
            uint32_t both = 0U;
            uint32_t low = 0U;
            for (int32_t k = 0; k < words; ++k) {
                const uint32_t weights = (uint32_t)next[(2 * k) + (i / 2)];
                both = tflm_ext_smlad(weights, column[k], both);
                low = tflm_ext_smlad(tflm_ext_sxtb16(weights), column[k], low);
            }
            const int32_t second = (int32_t)(both - low) >> 7;
            const int32_t doubled = ((i % 2) == 0) ? (int32_t)(2U * low) : second;
            *target =
                tflm_ext_scale_to_int8(biases[i] + doubled, scale[0], scale[1], tile->zero_point);
            target = &target[1];
            scale = &scale[tile->scale_bytes / 4];
        }
    }
}

#endif

TFLM_EXT_SHARED static void tflm_ext_fully_connected_tile(const tflm_ext_fully_connected_tile_t *op,
                                                          const int8_t *input,
                                                          const int32_t *stream,
                                                          const int32_t *scales, int32_t *column,
                                                          int8_t *output)
{
    const int32_t words = 4 * op->octets;
    const int32_t tiles = op->output_size / 4;
    uint32_t *const one = (uint32_t *)column;
    const tflm_ext_tile_4x1_t tile = {
        .end = &stream[tiles * ((2 * words) + 4)],
        .column_end = &one[words],
        .column_bytes = 4 * words,
        .zero_point = op->output_zero_point,
        .scales = scales,
        .scale_bytes = 4 * op->scale_step,
    };

    for (int32_t row = 0; row < op->rows; ++row) {
        int8_t *const out = &output[row * op->output_size];
        const int32_t *next = tile.end;
        tflm_ext_widen_1(&input[row * op->input_size], op->input_size, one, words);
        if (tiles > 0) {
            tflm_ext_tile_4x1(stream, one, out, &tile);
        }
        for (int32_t c = 4 * tiles; c < op->output_size; ++c) {
            const int32_t *const scale = &scales[c * op->scale_step];
            uint32_t sum = 0U;
            for (int32_t k = 0; k < words; ++k) {
                sum = tflm_ext_smlad((uint32_t)next[k], one[k], sum);
            }
            out[c] = tflm_ext_scale_to_int8(next[words] + (int32_t)(2U * sum), scale[0], scale[1],
                                            op->output_zero_point);
            next = &next[words + 1];
        }
    }
}

#endif
