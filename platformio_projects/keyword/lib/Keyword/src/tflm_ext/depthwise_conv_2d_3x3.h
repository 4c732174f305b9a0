/* SPDX-License-Identifier: 0BSD */
/*
 * DEPTHWISE_CONV_2D with filters of 3 x 3, strides 1 and 2, one output channel per input channel.
 *
 * For four channels at a time, two rows of the image become a line of words: the low half has the
 * value of the upper row, the high half that of the lower row. Two lines are four rows of the
 * image, enough for two rows of output at stride 1 or one row at stride 2. Lines are padded with
 * the zero point, whose contribution to the sums is part of the bias.
 *
 * Layouts: input and output [batch][y][x][channel]. For each channel, the table contains a word for
 * each of the three columns of the filter, with the bytes of the rows 0, 1, 1, 2, and then the
 * requant words of tflm_ext_sum_to_int8(). These are expanded to a word of rows 0 and 1 and a word
 * of rows 1 and 2 for each column, and the scale words of tflm_ext_scale_to_int8(). The output may
 * begin at the address of the input if it is not larger, because rows are read before they are
 * written. If the number of channels is not a multiple of four, the last four overlap with those
 * before, and the output may not share memory with the input.
 */
#ifndef TFLM_EXT_DEPTHWISE_CONV_2D_3X3_H
#define TFLM_EXT_DEPTHWISE_CONV_2D_3X3_H

#include <stdbool.h>
#include <stdint.h>

#include "depthwise_pack.h"
#include "dsp.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t channels; /* at least four */
    int32_t stride;
    int32_t pad_top;
    int32_t pad_left;
    int32_t output_height;
    int32_t output_width;
    int32_t line_width;    /* columns that the windows touch, padding included */
    int32_t requant_words; /* of a channel, in the table: two or three */
    int32_t input_zero_point;
    int32_t output_zero_point;
} tflm_ext_depthwise_conv_2d_3x3_t;

/* Parameters of four channels; pointers are those of the first. */
typedef struct {
    int8_t *out;         /* the first output of the upper row */
    const uint32_t *end; /* of the upper line's windows that are computed in pairs */
    int32_t pixel;       /* bytes between neighbouring outputs */
    int32_t row;         /* bytes to the lower row of outputs, or 0 */
    int32_t zero_point;  /* of the output */
    int32_t odd;         /* 1 if the last column is computed alone */
} tflm_ext_depthwise_rows_t;

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */

/*
 * Two columns of two rows at a time, and the last one alone. r0 taps, r1 and r2 lines, r3 and r4
 * sums of the upper row, r5 and r6 of the lower one, r7-r12 taps, lr a word of a line. On the
 * stack: *rows, then lines, output and remaining channels.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_two_rows(const int32_t *taps, const uint32_t *upper, const uint32_t *lower,
                            const tflm_ext_depthwise_rows_t *rows)
{
    __asm__ volatile(
        "push  {r4-r11, lr}\n\t"
        "ldm   r3, {r4-r9}\n\t" /* *rows */
        "mov   r3, r4\n\t"
        "mov   r10, #4\n\t"
        "push  {r1, r2, r3, r10}\n\t" /* lines, output, channels left */
        "push  {r4-r9}\n\t"
        "0:\n\t"
        "cmp   r1, r5\n\t"
        "beq   2f\n"
        "1:\n\t"
        "ldm   r0, {r7-r12}\n\t"
        "ldr   lr, [r1, #48]\n\t"
        "smuad r4, lr, r11\n\t"
        "smultb r6, lr, r11\n\t"
        "ldr   lr, [r1, #32]\n\t"
        "smlad r4, lr, r9, r4\n\t"
        "smlatb r6, lr, r9, r6\n\t"
        "smuad r3, lr, r11\n\t"
        "smultb r5, lr, r11\n\t"
        "ldr   lr, [r1, #16]\n\t"
        "smlad r4, lr, r7, r4\n\t"
        "smlatb r6, lr, r7, r6\n\t"
        "smlad r3, lr, r9, r3\n\t"
        "smlatb r5, lr, r9, r5\n\t"
        "ldr   lr, [r1], #32\n\t"
        "smlad r3, lr, r7, r3\n\t"
        "smlatb r5, lr, r7, r5\n\t"
        "ldr   lr, [r2, #48]\n\t"
        "smlabt r4, lr, r12, r4\n\t"
        "smlad r6, lr, r12, r6\n\t"
        "ldr   lr, [r2, #32]\n\t"
        "smlabt r4, lr, r10, r4\n\t"
        "smlad r6, lr, r10, r6\n\t"
        "smlabt r3, lr, r12, r3\n\t"
        "smlad r5, lr, r12, r5\n\t"
        "ldr   lr, [r2, #16]\n\t"
        "smlabt r4, lr, r8, r4\n\t"
        "smlad r6, lr, r8, r6\n\t"
        "smlabt r3, lr, r10, r3\n\t"
        "smlad r5, lr, r10, r5\n\t"
        "ldr   lr, [r2], #32\n\t"
        "smlabt r3, lr, r8, r3\n\t"
        "smlad r5, lr, r8, r5\n\t"
        "add   r10, r0, #24\n\t"
        "ldm   r10, {r7-r9}\n\t"
        "ldrd  r12, lr, [sp, #8]\n\t" /* pixel, row */
        "ldr   r10, [sp, #16]\n\t"    /* zero_point */
        "ldr   r11, [sp]\n\t"         /* out */
        "add   r5, r7, r5, lsl #1\n\t"
        "smmulr r5, r5, r8\n\t"
        "add   r5, r5, r5, asr #31\n\t"
        "smmlsr r5, r5, r9, r10\n\t"
        "ssat  r5, #8, r5\n\t"
        "strb  r5, [r11, lr]\n\t"
        "add   lr, lr, r12\n\t"
        "add   r6, r7, r6, lsl #1\n\t"
        "smmulr r6, r6, r8\n\t"
        "add   r6, r6, r6, asr #31\n\t"
        "smmlsr r6, r6, r9, r10\n\t"
        "ssat  r6, #8, r6\n\t"
        "strb  r6, [r11, lr]\n\t"
        "add   r4, r7, r4, lsl #1\n\t"
        "smmulr r4, r4, r8\n\t"
        "add   r4, r4, r4, asr #31\n\t"
        "smmlsr r4, r4, r9, r10\n\t"
        "ssat  r4, #8, r4\n\t"
        "strb  r4, [r11, r12]\n\t"
        "add   r3, r7, r3, lsl #1\n\t"
        "smmulr r3, r3, r8\n\t"
        "add   r3, r3, r3, asr #31\n\t"
        "smmlsr r3, r3, r9, r10\n\t"
        "ssat  r3, #8, r3\n\t"
        "strb  r3, [r11]\n\t"
        "ldr   lr, [sp, #4]\n\t"
        "add   r11, r11, r12, lsl #1\n\t"
        "str   r11, [sp]\n\t"
        "cmp   r1, lr\n\t"
        "bne   1b\n"
        "2:\n\t"
        "ldr   r7, [sp, #20]\n\t" /* odd */
        "cmp   r7, #0\n\t"
        "beq   3f\n\t"
        "ldm   r0, {r7-r12}\n\t"
        "ldr   lr, [r1, #32]\n\t"
        "smuad r3, lr, r11\n\t"
        "smultb r5, lr, r11\n\t"
        "ldr   lr, [r1, #16]\n\t"
        "smlad r3, lr, r9, r3\n\t"
        "smlatb r5, lr, r9, r5\n\t"
        "ldr   lr, [r1, #0]\n\t"
        "smlad r3, lr, r7, r3\n\t"
        "smlatb r5, lr, r7, r5\n\t"
        "ldr   lr, [r2, #32]\n\t"
        "smlabt r3, lr, r12, r3\n\t"
        "smlad r5, lr, r12, r5\n\t"
        "ldr   lr, [r2, #16]\n\t"
        "smlabt r3, lr, r10, r3\n\t"
        "smlad r5, lr, r10, r5\n\t"
        "ldr   lr, [r2, #0]\n\t"
        "smlabt r3, lr, r8, r3\n\t"
        "smlad r5, lr, r8, r5\n\t"
        "add   r10, r0, #24\n\t"
        "ldm   r10, {r7-r9}\n\t"
        "ldr   r10, [sp, #16]\n\t"
        "ldr   r11, [sp]\n\t"
        "ldr   lr, [sp, #12]\n\t" /* row */
        "add   r5, r7, r5, lsl #1\n\t"
        "smmulr r5, r5, r8\n\t"
        "add   r5, r5, r5, asr #31\n\t"
        "smmlsr r5, r5, r9, r10\n\t"
        "ssat  r5, #8, r5\n\t"
        "strb  r5, [r11, lr]\n\t"
        "add   r3, r7, r3, lsl #1\n\t"
        "smmulr r3, r3, r8\n\t"
        "add   r3, r3, r3, asr #31\n\t"
        "smmlsr r3, r3, r9, r10\n\t"
        "ssat  r3, #8, r3\n\t"
        "strb  r3, [r11]\n"
        "3:\n\t" /* the next channel */
        "add   r12, sp, #24\n\t"
        "ldm   r12, {r1, r2, r4, r6}\n\t"
        "adds  r1, r1, #4\n\t"
        "adds  r2, r2, #4\n\t"
        "adds  r4, r4, #1\n\t"
        "subs  r6, r6, #1\n\t"
        "beq   4f\n\t"
        "stm   r12, {r1, r2, r4, r6}\n\t"
        "ldr   r5, [sp, #4]\n\t"
        "adds  r5, r5, #4\n\t"
        "adds  r0, r0, #36\n\t"
        "strd  r4, r5, [sp]\n\t"
        "b     0b\n"
        "4:\n\t"
        "add   sp, sp, #40\n\t"
        "pop   {r4-r11, pc}\n\t");
}

/* Two columns of one row at a time, at stride 2, and the last one alone; registers as above. */
__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_one_row(const int32_t *taps, const uint32_t *upper, const uint32_t *lower,
                           const tflm_ext_depthwise_rows_t *rows)
{
    __asm__ volatile(
        "push  {r4-r11, lr}\n\t"
        "ldm   r3, {r4-r9}\n\t" /* *rows */
        "mov   r3, r4\n\t"
        "mov   r10, #4\n\t"
        "push  {r1, r2, r3, r10}\n\t" /* lines, output, channels left */
        "push  {r4-r9}\n\t"
        "0:\n\t"
        "cmp   r1, r5\n\t"
        "beq   2f\n"
        "1:\n\t"
        "ldm   r0, {r7-r12}\n\t"
        "ldr   lr, [r1, #64]\n\t"
        "smuad r4, lr, r11\n\t"
        "ldr   lr, [r1, #48]\n\t"
        "smlad r4, lr, r9, r4\n\t"
        "ldr   lr, [r1, #32]\n\t"
        "smlad r4, lr, r7, r4\n\t"
        "smuad r3, lr, r11\n\t"
        "ldr   lr, [r1, #16]\n\t"
        "smlad r3, lr, r9, r3\n\t"
        "ldr   lr, [r1], #64\n\t"
        "smlad r3, lr, r7, r3\n\t"
        "ldr   lr, [r2, #64]\n\t"
        "smlabt r4, lr, r12, r4\n\t"
        "ldr   lr, [r2, #48]\n\t"
        "smlabt r4, lr, r10, r4\n\t"
        "ldr   lr, [r2, #32]\n\t"
        "smlabt r4, lr, r8, r4\n\t"
        "smlabt r3, lr, r12, r3\n\t"
        "ldr   lr, [r2, #16]\n\t"
        "smlabt r3, lr, r10, r3\n\t"
        "ldr   lr, [r2], #64\n\t"
        "smlabt r3, lr, r8, r3\n\t"
        "add   r10, r0, #24\n\t"
        "ldm   r10, {r7-r9}\n\t"
        "ldr   r12, [sp, #8]\n\t"  /* pixel */
        "ldr   r10, [sp, #16]\n\t" /* zero_point */
        "ldr   r11, [sp]\n\t"      /* out */
        "add   r4, r7, r4, lsl #1\n\t"
        "smmulr r4, r4, r8\n\t"
        "add   r4, r4, r4, asr #31\n\t"
        "smmlsr r4, r4, r9, r10\n\t"
        "ssat  r4, #8, r4\n\t"
        "strb  r4, [r11, r12]\n\t"
        "add   r3, r7, r3, lsl #1\n\t"
        "smmulr r3, r3, r8\n\t"
        "add   r3, r3, r3, asr #31\n\t"
        "smmlsr r3, r3, r9, r10\n\t"
        "ssat  r3, #8, r3\n\t"
        "strb  r3, [r11]\n\t"
        "ldr   lr, [sp, #4]\n\t"
        "add   r11, r11, r12, lsl #1\n\t"
        "str   r11, [sp]\n\t"
        "cmp   r1, lr\n\t"
        "bne   1b\n"
        "2:\n\t"
        "ldr   r7, [sp, #20]\n\t" /* odd */
        "cmp   r7, #0\n\t"
        "beq   3f\n\t"
        "ldm   r0, {r7-r12}\n\t"
        "ldr   lr, [r1, #32]\n\t"
        "smuad r3, lr, r11\n\t"
        "ldr   lr, [r1, #16]\n\t"
        "smlad r3, lr, r9, r3\n\t"
        "ldr   lr, [r1, #0]\n\t"
        "smlad r3, lr, r7, r3\n\t"
        "ldr   lr, [r2, #32]\n\t"
        "smlabt r3, lr, r12, r3\n\t"
        "ldr   lr, [r2, #16]\n\t"
        "smlabt r3, lr, r10, r3\n\t"
        "ldr   lr, [r2, #0]\n\t"
        "smlabt r3, lr, r8, r3\n\t"
        "add   r10, r0, #24\n\t"
        "ldm   r10, {r7-r9}\n\t"
        "ldr   r10, [sp, #16]\n\t"
        "ldr   r11, [sp]\n\t"
        "add   r3, r7, r3, lsl #1\n\t"
        "smmulr r3, r3, r8\n\t"
        "add   r3, r3, r3, asr #31\n\t"
        "smmlsr r3, r3, r9, r10\n\t"
        "ssat  r3, #8, r3\n\t"
        "strb  r3, [r11]\n"
        "3:\n\t" /* the next channel */
        "add   r12, sp, #24\n\t"
        "ldm   r12, {r1, r2, r4, r6}\n\t"
        "adds  r1, r1, #4\n\t"
        "adds  r2, r2, #4\n\t"
        "adds  r4, r4, #1\n\t"
        "subs  r6, r6, #1\n\t"
        "beq   4f\n\t"
        "stm   r12, {r1, r2, r4, r6}\n\t"
        "ldr   r5, [sp, #4]\n\t"
        "adds  r5, r5, #4\n\t"
        "adds  r0, r0, #36\n\t"
        "strd  r4, r5, [sp]\n\t"
        "b     0b\n"
        "4:\n\t"
        "add   sp, sp, #40\n\t"
        "pop   {r4-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

/* The sum of a window: the filter times the upper or the lower three rows. */
static inline uint32_t tflm_ext_depthwise_upper(const int32_t *taps, const uint32_t *upper,
                                                const uint32_t *lower)
{
    uint32_t sum = 0U;
    for (int32_t x = 0; x < 3; ++x) {
        sum = tflm_ext_smlad(upper[4 * x], (uint32_t)taps[2 * x], sum);
        sum = tflm_ext_smlabt(lower[4 * x], (uint32_t)taps[(2 * x) + 1], sum);
    }
    return sum;
}

static inline uint32_t tflm_ext_depthwise_lower(const int32_t *taps, const uint32_t *upper,
                                                const uint32_t *lower)
{
    uint32_t sum = 0U;
    for (int32_t x = 0; x < 3; ++x) {
        sum = tflm_ext_smlatb(upper[4 * x], (uint32_t)taps[2 * x], sum);
        sum = tflm_ext_smlad(lower[4 * x], (uint32_t)taps[(2 * x) + 1], sum);
    }
    return sum;
}

static inline int8_t tflm_ext_depthwise_scale(const int32_t *taps, uint32_t sum, int32_t zero_point)
{
    return tflm_ext_scale_to_int8(taps[6] + (int32_t)(2U * sum), taps[7], taps[8], zero_point);
}

/* Rows of outputs of four channels; windows are `step` words apart. */
static inline void tflm_ext_depthwise_rows(const int32_t *taps, const uint32_t *upper,
                                           const uint32_t *lower,
                                           const tflm_ext_depthwise_rows_t *rows, int32_t step,
                                           bool both)
{
    for (int32_t c = 0; c < 4; ++c) {
        const int32_t *const own = &taps[9 * c];
        const uint32_t *const end = &rows->end[(step * rows->odd) + c];
        const uint32_t *b = &lower[c];
        int8_t *out = &rows->out[c];
        for (const uint32_t *a = &upper[c]; a != end; a = &a[step]) {
            if (both) {
                out[rows->row] = tflm_ext_depthwise_scale(own, tflm_ext_depthwise_lower(own, a, b),
                                                          rows->zero_point);
            }
            out[0] = tflm_ext_depthwise_scale(own, tflm_ext_depthwise_upper(own, a, b),
                                              rows->zero_point);
            out = &out[rows->pixel];
            b = &b[step];
        }
    }
}

static inline void tflm_ext_depthwise_two_rows(const int32_t *taps, const uint32_t *upper,
                                               const uint32_t *lower,
                                               const tflm_ext_depthwise_rows_t *rows)
{
    tflm_ext_depthwise_rows(taps, upper, lower, rows, 4, true);
}

static inline void tflm_ext_depthwise_one_row(const int32_t *taps, const uint32_t *upper,
                                              const uint32_t *lower,
                                              const tflm_ext_depthwise_rows_t *rows)
{
    tflm_ext_depthwise_rows(taps, upper, lower, rows, 8, false);
}

#endif

/* Writes rows y and y + 1 of four channels of an image to the columns of a line. */
static inline void tflm_ext_depthwise_line(const tflm_ext_depthwise_conv_2d_3x3_t *op,
                                           const int8_t *image, int32_t y, const int8_t *padding,
                                           int32_t columns, uint32_t *line)
{
    const int32_t row = op->input_width * op->channels;
    const bool upper = (uint32_t)y < (uint32_t)op->input_height;
    const bool lower = (uint32_t)(y + 1) < (uint32_t)op->input_height;
    const int32_t counts[3] = { columns, upper ? op->channels : 0, lower ? op->channels : 0 };

    tflm_ext_depthwise_pack(upper ? &image[y * row] : padding,
                            lower ? &image[(y + 1) * row] : padding, line, counts);
}

TFLM_EXT_SHARED static void
tflm_ext_depthwise_conv_2d_3x3(const tflm_ext_depthwise_conv_2d_3x3_t *op, const int8_t *input,
                               const int32_t *table, int32_t *lines, int8_t *output)
{
    const int32_t channels = op->channels;
    const int32_t image_bytes = op->input_height * op->input_width * channels;
    const int32_t row = op->output_width * channels;
    const int32_t rows_at_once = 3 - op->stride; /* two at stride 1, one at stride 2 */
    const int32_t even = op->output_width - (op->output_width % 2);
    const int32_t window = 4 * op->stride; /* words from one window to the next */
    const int32_t left = 4 * op->pad_left;
    const int32_t columns = ((op->line_width - op->pad_left) < op->input_width)
                                ? (op->line_width - op->pad_left)
                                : op->input_width;
    const uint32_t zero = (uint32_t)op->input_zero_point & 0xFFFFU;
    const uint8_t byte = (uint8_t)(zero & 0xFFU);
    const uint8_t padding[4] = { byte, byte, byte, byte };
    const int8_t *const pad = (const int8_t *)padding;
    uint32_t *upper = (uint32_t *)lines;
    uint32_t *lower = &upper[4 * op->line_width];

    for (int32_t i = 0; i < (8 * op->line_width); ++i) {
        upper[i] = (zero << 16) | zero;
    }
    for (int32_t batch = 0; batch < op->batches; ++batch) {
        for (int32_t first = 0; first < channels; first += 4) {
            const int32_t channel = ((first + 4) <= channels) ? first : (channels - 4);
            const int8_t *const image = &input[(batch * image_bytes) + channel];
            int8_t *const out = &output[(batch * op->output_height * row) + channel];

            int32_t taps[4 * 9];
            const int32_t *next_table = &table[(3 + op->requant_words) * channel];

            for (int32_t c = 0; c < 4; ++c) {
                next_table =
                    tflm_ext_depthwise_expand(next_table, 6, op->requant_words, &taps[9 * c]);
            }
            tflm_ext_depthwise_line(op, image, -op->pad_top, pad, columns, &upper[left]);
            for (int32_t y = 0; y < op->output_height; y += rows_at_once) {
                uint32_t *const next = upper;
                tflm_ext_depthwise_line(op, image, (y * op->stride) - op->pad_top + 2, pad, columns,
                                        &lower[left]);
                const tflm_ext_depthwise_rows_t rows = { &out[y * row],
                                                         &upper[even * window],
                                                         channels,
                                                         ((y + 1) < op->output_height) ? row : 0,
                                                         op->output_zero_point,
                                                         op->output_width - even };
                if (op->stride == 1) {
                    tflm_ext_depthwise_two_rows(taps, upper, lower, &rows);
                } else {
                    tflm_ext_depthwise_one_row(taps, upper, lower, &rows);
                }
                upper = lower;
                lower = next;
            }
        }
    }
}

#endif
