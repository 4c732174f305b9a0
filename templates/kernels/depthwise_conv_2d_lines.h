/* SPDX-License-Identifier: 0BSD */
/*
 * DEPTHWISE_CONV_2D with filters of any size, one output channel per input channel.
 *
 * For four channels at a time, each row of the image becomes a line of words with a value in the
 * low half and its right neighbour, one dilation away, in the high half, so that one instruction
 * multiplies two taps. There are as many lines as a window has rows, and each row is read once.
 * Lines are padded with the zero point, whose contribution to the sums is part of the bias.
 *
 * Layouts: input and output [batch][y][x][channel]. For each channel, the table contains the taps
 * as bytes, row by row, two pairs of neighbours in a word: the first of each pair, then the second
 * of each; then the requant words of tflm_ext_sum_to_int8(). The output may begin at the address of
 * the input if it is not larger, because rows are read before they are written. If the number of
 * channels is not a multiple of four, the last four overlap with those before, and the output may
 * not share memory with the input.
 */
#ifndef TFLM_EXT_DEPTHWISE_CONV_2D_LINES_H
#define TFLM_EXT_DEPTHWISE_CONV_2D_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "depthwise_pack.h"
#include "dsp.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t channels; /* at least four */
    int32_t filter_height;
    int32_t filter_pairs; /* words of a filter's row */
    int32_t stride_height;
    int32_t stride_width;
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t pad_top;
    int32_t pad_left;
    int32_t output_height;
    int32_t output_width;
    int32_t line_width;    /* words of one channel that the windows touch */
    int32_t requant_words; /* of a channel, in the table: two or three */
    int32_t input_zero_point;
    int32_t output_zero_point;
} tflm_ext_depthwise_conv_2d_lines_t;

typedef struct {
    int32_t rows;   /* of the filter */
    int32_t pairs;  /* words of a filter's row */
    int32_t tap;    /* bytes of a line from one pair of taps to the next */
    int32_t column; /* bytes of a line from one output to the next */
    int32_t pixel;  /* bytes between neighbouring outputs */
    int32_t groups; /* of four outputs */
    int32_t zero_point;
} tflm_ext_depthwise_outputs_t;

/* The sum of a filter over the window at `start`; see tflm_ext_depthwise_outputs_t. */
static inline uint32_t tflm_ext_depthwise_sum(const int32_t *taps, const int32_t *lines,
                                              const tflm_ext_depthwise_outputs_t *outputs,
                                              const uint32_t *start)
{
    const int32_t *tap = taps;
    uint32_t sum = 0U;

    for (int32_t row = 0; row < outputs->rows; ++row) {
        const uint32_t *pixels = &start[lines[row] / 4];
        for (int32_t pair = 0; pair < outputs->pairs; ++pair) {
            sum = tflm_ext_smlad(*pixels, (uint32_t)*tap, sum);
            tap = &tap[1];
            pixels = &pixels[outputs->tap / 4];
        }
    }
    return sum;
}

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */

/* A pair of taps times four outputs. */
#define TFLM_EXT_DEPTHWISE_PAIR \
    "ldr   r2, [r0], 4\n\t" \
    "ldr   r3, [r1]\n\t" \
    "smlad r4, r3, r2, r4\n\t" \
    "ldr   r3, [r1, r8]\n\t" \
    "smlad r5, r3, r2, r5\n\t" \
    "ldr   r3, [r1, r8, lsl 1]\n\t" \
    "smlad r6, r3, r2, r6\n\t" \
    "ldr   r3, [r1, r10]\n\t" \
    "smlad r7, r3, r2, r7\n\t" \
    "add   r1, r1, r9\n\t"

/*
 * Four outputs of a channel at a time. r0 taps, r1 a line, r2 taps, r3 a word of the line, r4-r7
 * sums, r8 column, r9 tap, r10 three columns, r11 pairs left, r12 lines, lr rows left. On the
 * stack: taps, lines, output, start of the windows, *outputs.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_four_outputs(const int32_t *taps, const int32_t *lines, int8_t *out,
                        const tflm_ext_depthwise_outputs_t *outputs, const uint32_t *start)
{
    __asm__ volatile(
        "push  {r4-r11, lr}\n\t"
        "ldr   r12, [sp, #36]\n\t" /* start */
        "ldm   r3, {r4-r10}\n\t" /* rows, pairs, tap, column, pixel, groups, zero_point */
        "push  {r4-r10}\n\t"
        "mov   r3, r12\n\t"
        "push  {r0-r3}\n\t" /* taps, lines, out, start of the windows */
        "mov   r8, r7\n\t"
        "mov   r9, r6\n\t"
        "add   r10, r8, r8, lsl #1\n"
        "1:\n\t"
        "ldm   sp, {r0, r1}\n\t"
        "mov   r12, r1\n\t"
        "ldr   lr, [sp, #16]\n\t"
        "movs  r4, #0\n\t"
        "movs  r5, #0\n\t"
        "movs  r6, #0\n\t"
        "movs  r7, #0\n"
        "2:\n\t"
        "ldr   r1, [r12], #4\n\t"
        "ldr   r2, [sp, #12]\n\t"
        "ldr   r11, [sp, #20]\n\t"
        "add   r1, r1, r2\n"
        "3:\n\t" TFLM_EXT_DEPTHWISE_PAIR
        "subs  r11, r11, #1\n\t"
        "bne   3b\n\t"
        "subs  lr, lr, #1\n\t"
        "bne   2b\n\t"
        "ldm   r0, {r1, r2, r3}\n\t"
        "ldr   r11, [sp, #40]\n\t" /* zero_point */
        "ldr   r12, [sp, #8]\n\t"  /* out */
        "ldr   lr, [sp, #32]\n\t"  /* pixel */
        "add   r4, r1, r4, lsl #1\n\t"
        "smmulr r4, r4, r2\n\t"
        "add   r4, r4, r4, asr #31\n\t"
        "smmlsr r4, r4, r3, r11\n\t"
        "ssat  r4, #8, r4\n\t"
        "strb  r4, [r12]\n\t"
        "add   r5, r1, r5, lsl #1\n\t"
        "smmulr r5, r5, r2\n\t"
        "add   r5, r5, r5, asr #31\n\t"
        "smmlsr r5, r5, r3, r11\n\t"
        "ssat  r5, #8, r5\n\t"
        "strb  r5, [r12, lr]\n\t"
        "add   r12, r12, lr, lsl #1\n\t"
        "add   r6, r1, r6, lsl #1\n\t"
        "smmulr r6, r6, r2\n\t"
        "add   r6, r6, r6, asr #31\n\t"
        "smmlsr r6, r6, r3, r11\n\t"
        "ssat  r6, #8, r6\n\t"
        "strb  r6, [r12]\n\t"
        "add   r7, r1, r7, lsl #1\n\t"
        "smmulr r7, r7, r2\n\t"
        "add   r7, r7, r7, asr #31\n\t"
        "smmlsr r7, r7, r3, r11\n\t"
        "ssat  r7, #8, r7\n\t"
        "strb  r7, [r12, lr]\n\t"
        "add   r12, r12, lr, lsl #1\n\t"
        "ldr   r3, [sp, #12]\n\t"
        "add   r3, r3, r8, lsl #2\n\t"
        "strd  r12, r3, [sp, #8]\n\t"
        "ldr   r4, [sp, #36]\n\t"
        "subs  r4, r4, #1\n\t"
        "str   r4, [sp, #36]\n\t"
        "bne   1b\n\t"
        "add   sp, sp, #44\n\t"
        "pop   {r4-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_depthwise_four_outputs(const int32_t *taps, const int32_t *lines,
                                                   int8_t *out,
                                                   const tflm_ext_depthwise_outputs_t *outputs,
                                                   const uint32_t *start)
{
    const int32_t *const scale = &taps[outputs->rows * outputs->pairs];

    for (int32_t i = 0; i < (4 * outputs->groups); ++i) {
        const uint32_t sum =
            tflm_ext_depthwise_sum(taps, lines, outputs, &start[(i * outputs->column) / 4]);
        out[i * outputs->pixel] = tflm_ext_scale_to_int8(scale[0] + (int32_t)(2U * sum), scale[1],
                                                         scale[2], outputs->zero_point);
    }
}

#endif

/* Writes row y of four channels of an image to a line; outside the image, padding. */
static inline void tflm_ext_depthwise_pairs(const tflm_ext_depthwise_conv_2d_lines_t *op,
                                            const int8_t *image, int32_t y, const int8_t *padding,
                                            uint32_t *line)
{
    const int8_t *const row = &image[y * op->input_width * op->channels];
    const bool outside = (y < 0) || (y >= op->input_height);
    int32_t i = 0;

    while (i < op->line_width) {
        const int32_t x = i - op->pad_left;
        const int32_t right = x + op->dilation_width;
        const bool left_inside = !outside && (x >= 0) && (x < op->input_width);
        const bool right_inside = !outside && (right >= 0) && (right < op->input_width);
        int32_t counts[3] = { 1, op->channels, op->channels };
        if (outside) {
            counts[0] = op->line_width;
        } else if (left_inside && right_inside) {
            const int32_t both = op->input_width - right;
            const int32_t left = op->line_width - i;
            counts[0] = (both < left) ? both : left;
        } else {
            /* a word at the edge of the image */
        }
        if (!left_inside) {
            counts[1] = 0;
        }
        if (!right_inside) {
            counts[2] = 0;
        }
        tflm_ext_depthwise_pack(left_inside ? &row[x * op->channels] : padding,
                                right_inside ? &row[right * op->channels] : padding, &line[4 * i],
                                counts);
        i += counts[0];
    }
}

typedef const int32_t *(*tflm_ext_depthwise_expand_t)(const int32_t *table, int32_t words,
                                                      int32_t requant_words, int32_t *taps);
typedef void (*tflm_ext_depthwise_four_t)(const int32_t *taps, const int32_t *lines, int8_t *out,
                                          const tflm_ext_depthwise_outputs_t *outputs,
                                          const uint32_t *start);

/* A row of outputs of one channel, whose windows begin at `start`. */
static inline void tflm_ext_depthwise_output_row(const tflm_ext_depthwise_conv_2d_lines_t *op,
                                                 tflm_ext_depthwise_outputs_t *outputs,
                                                 tflm_ext_depthwise_four_t four_outputs,
                                                 const int32_t *taps, const int32_t *lines,
                                                 const uint32_t *start, int8_t *out)
{
    const int32_t width = op->output_width;

    outputs->pixel = op->channels;
    outputs->groups = width / 4;
    if (width < 4) {
        int8_t values[4];
        outputs->pixel = 1;
        outputs->groups = 1;
        four_outputs(taps, lines, values, outputs, start);
        for (int32_t x = 0; x < width; ++x) {
            out[x * op->channels] = values[x];
        }
    } else {
        four_outputs(taps, lines, out, outputs, start);
        if ((width % 4) != 0) { /* the last four outputs, some of them again */
            const int32_t first = width - 4;
            outputs->groups = 1;
            four_outputs(taps, lines, &out[first * op->channels], outputs,
                         &start[4 * op->stride_width * first]);
        }
    }
}

/*
 * `words` has room for as many lines as a window has rows, including those between dilated taps,
 * then for the addresses of the lines of the filter's rows, and for the taps of four channels,
 * which `expand` extracts from the table.
 */
static inline void tflm_ext_depthwise_lines(const tflm_ext_depthwise_conv_2d_lines_t *op,
                                            const int8_t *input, const int32_t *table,
                                            int32_t *words, int8_t *output,
                                            tflm_ext_depthwise_expand_t expand,
                                            tflm_ext_depthwise_four_t four_outputs)
{
    const int32_t channels = op->channels;
    const int32_t image_bytes = op->input_height * op->input_width * channels;
    const int32_t row = op->output_width * channels;
    const int32_t pairs = op->filter_height * op->filter_pairs;
    const int32_t own_table = ((pairs + 1) / 2) + op->requant_words;
    const int32_t ring = ((op->filter_height - 1) * op->dilation_height) + 1;
    const int32_t line = 4 * op->line_width;
    const uint8_t byte = (uint8_t)((uint32_t)op->input_zero_point & 0xFFU);
    const uint8_t padding[4] = { byte, byte, byte, byte };
    int32_t *const lines = &words[ring * line];
    int32_t *const taps = &lines[op->filter_height];
    uint32_t *const all = (uint32_t *)words;
    tflm_ext_depthwise_outputs_t outputs = {
        .rows = op->filter_height,
        .pairs = op->filter_pairs,
        .tap = 4 * 4 * 2 * op->dilation_width,
        .column = 4 * 4 * op->stride_width,
        .zero_point = op->output_zero_point,
    };

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        for (int32_t first = 0; first < channels; first += 4) {
            const int32_t channel = ((first + 4) <= channels) ? first : (channels - 4);
            const int8_t *const image = &input[(batch * image_bytes) + channel];
            int8_t *const out = &output[(batch * op->output_height * row) + channel];
            const int32_t *next = &table[channel * own_table];
            int32_t taken = 0; /* rows, counted from the padding at the top */

            for (int32_t c = 0; c < 4; ++c) {
                next = expand(next, pairs, op->requant_words, &taps[c * (pairs + 3)]);
            }

            for (int32_t y = 0; y < op->output_height; ++y) {
                const int32_t top = y * op->stride_height;
                for (taken = (taken < top) ? top : taken; taken < (top + ring); ++taken) {
                    tflm_ext_depthwise_pairs(op, image, taken - op->pad_top,
                                             (const int8_t *)padding, &all[(taken % ring) * line]);
                }
                for (int32_t ky = 0; ky < op->filter_height; ++ky) {
                    lines[ky] = 4 * (((top + (ky * op->dilation_height)) % ring) * line);
                }
                for (int32_t c = 0; c < 4; ++c) {
                    tflm_ext_depthwise_output_row(op, &outputs, four_outputs,
                                                  &taps[c * (pairs + 3)], lines, &all[c],
                                                  &out[(y * row) + c]);
                }
            }
        }
    }
}

TFLM_EXT_SHARED static void
tflm_ext_depthwise_conv_2d_lines(const tflm_ext_depthwise_conv_2d_lines_t *op, const int8_t *input,
                                 const int32_t *table, int32_t *words, int8_t *output)
{
    tflm_ext_depthwise_lines(op, input, table, words, output, &tflm_ext_depthwise_expand,
                             &tflm_ext_depthwise_four_outputs);
}

#endif
