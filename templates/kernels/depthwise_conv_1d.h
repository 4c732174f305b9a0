/* SPDX-License-Identifier: 0BSD */
/*
 * DEPTHWISE_CONV_2D for signals in time: filters of one row and up to ten taps, one output channel
 * per input channel. An image of one column is treated as one of one row.
 *
 * For four channels at a time, each row of the image becomes a line of int16 for each channel,
 * padded with the zero point, whose contribution to the sums is part of the bias. Two neighbours of
 * a line form a word, which one instruction multiplies by two taps; these stay in registers, and
 * each word that is loaded is used for four outputs. At stride 1 these are every second output;
 * words that begin one value later give the outputs in between. With dilation d, every d-th value
 * of a row goes into the same line, on which the filter is not dilated.
 *
 * Layouts: input and output [batch][y][x][channel]. For each channel, the table contains the taps
 * as bytes, two pairs of neighbours in a word: the first of each pair, then the second of each;
 * then the two requant words of tflm_ext_sum_to_int8(). The output may begin at the address of the
 * input if it is not larger, because a row is read before its outputs are written. If the number of
 * channels is not a multiple of four, the last four overlap with those before, and the output may
 * not share memory with the input.
 */
#ifndef TFLM_EXT_DEPTHWISE_CONV_1D_H
#define TFLM_EXT_DEPTHWISE_CONV_1D_H

#include <stdbool.h>
#include <stdint.h>

#include "dsp.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t channels; /* at least four */
    int32_t stride_height;
    int32_t stride_width; /* 1, or 2 without dilation */
    int32_t dilation_width;
    int32_t pad_left;
    int32_t output_height;
    int32_t output_width;
    int32_t line_words; /* words of one line of one channel */
    int32_t input_zero_point;
    int32_t output_zero_point;
} tflm_ext_depthwise_conv_1d_t;

/* Outputs of one channel, four at a time, whose words are consecutive in a line. */
typedef struct {
    int32_t groups; /* of four outputs */
    int32_t pixel;  /* bytes from one output to the next */
    int32_t zero_point;
} tflm_ext_depthwise_1d_outputs_t;

typedef void (*tflm_ext_depthwise_1d_tile_t)(const int32_t *table, const int16_t *line, int8_t *out,
                                             const tflm_ext_depthwise_1d_outputs_t *outputs);

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */

/*
 * r0 requant words, r1 line, r2 output, r3 and lr words of the line, r4-r7 sums, r8-r12 taps; r3
 * and lr are reused for the requantisation. On the stack: *outputs.
 */
#define TFLM_EXT_DEPTHWISE_1D_BEGIN \
        "push  {r4-r11, lr}\n\t" \
        "ldm   r3, {r4-r6}\n\t" \
        "push  {r4-r6}\n\t"

#define TFLM_EXT_DEPTHWISE_1D_END \
        "ldm   r0, {r3, lr}\n\t" \
        "add   r4, r4, r3, asr 8\n\t" \
        "add   r5, r5, r3, asr 8\n\t" \
        "add   r6, r6, r3, asr 8\n\t" \
        "add   r7, r7, r3, asr 8\n\t" \
        "smmlar r4, r4, lr, r4\n\t" \
        "smmlar r5, r5, lr, r5\n\t" \
        "smmlar r6, r6, lr, r6\n\t" \
        "smmlar r7, r7, lr, r7\n\t" \
        "mvn   lr, 0\n\t" \
        "lsl   r3, lr, r3\n\t" /* the step */ \
        "ldr   lr, [sp, 8]\n\t" /* zero_point */ \
        "add   r4, r4, r4, asr 31\n\t" \
        "add   r5, r5, r5, asr 31\n\t" \
        "add   r6, r6, r6, asr 31\n\t" \
        "add   r7, r7, r7, asr 31\n\t" \
        "smmlsr r4, r4, r3, lr\n\t" \
        "smmlsr r5, r5, r3, lr\n\t" \
        "smmlsr r6, r6, r3, lr\n\t" \
        "smmlsr r7, r7, r3, lr\n\t" \
        "ldrd  r3, lr, [sp]\n\t" /* groups, pixel */ \
        "ssat  r4, 8, r4\n\t" \
        "ssat  r5, 8, r5\n\t" \
        "ssat  r6, 8, r6\n\t" \
        "ssat  r7, 8, r7\n\t" \
        "strb  r4, [r2]\n\t" \
        "strb  r5, [r2, lr]\n\t" \
        "add   r2, r2, lr, lsl 1\n\t" \
        "strb  r6, [r2]\n\t" \
        "strb  r7, [r2, lr]\n\t" \
        "add   r2, r2, lr, lsl 1\n\t" \
        "add   r1, r1, 16\n\t" \
        "subs  r3, r3, 1\n\t" \
        "str   r3, [sp]\n\t" \
        "bne   1b\n\t" \
        "add   sp, sp, 12\n\t" \
        "pop   {r4-r11, pc}\n\t"

__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_1d_6_taps(const int32_t *table, const int16_t *line, int8_t *out,
                              const tflm_ext_depthwise_1d_outputs_t *outputs)
{
    __asm__ volatile(
        TFLM_EXT_DEPTHWISE_1D_BEGIN
        "ldm   r0!, {r7, r12}\n\t"
        "sxtb16 r8, r7\n\t"
        "sxtb16 r9, r7, ror #8\n\t"
        "sxtb16 r10, r12\n"
        "1:\n\t"
        "ldr   r3, [r1]\n\t"
        "ldr   lr, [r1, #4]\n\t"
        "smuad r4, r3, r8\n\t"
        "smlad r4, lr, r9, r4\n\t"
        "smuad r5, lr, r8\n\t"
        "ldr   r3, [r1, #8]\n\t"
        "ldr   lr, [r1, #12]\n\t"
        "smlad r4, r3, r10, r4\n\t"
        "smlad r5, r3, r9, r5\n\t"
        "smuad r6, r3, r8\n\t"
        "smlad r5, lr, r10, r5\n\t"
        "smlad r6, lr, r9, r6\n\t"
        "smuad r7, lr, r8\n\t"
        "ldr   r3, [r1, #16]\n\t"
        "ldr   lr, [r1, #20]\n\t"
        "smlad r6, r3, r10, r6\n\t"
        "smlad r7, r3, r9, r7\n\t"
        "smlad r7, lr, r10, r7\n\t"
        TFLM_EXT_DEPTHWISE_1D_END);
}

__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_1d_10_taps(const int32_t *table, const int16_t *line, int8_t *out,
                              const tflm_ext_depthwise_1d_outputs_t *outputs)
{
    __asm__ volatile(
        TFLM_EXT_DEPTHWISE_1D_BEGIN
        "ldm   r0!, {r6, r7, r12}\n\t"
        "sxtb16 r8, r6\n\t"
        "sxtb16 r9, r6, ror #8\n\t"
        "sxtb16 r10, r7\n\t"
        "sxtb16 r11, r7, ror #8\n\t"
        "sxtb16 r12, r12\n"
        "1:\n\t"
        "ldr   r3, [r1]\n\t"
        "ldr   lr, [r1, #4]\n\t"
        "smuad r4, r3, r8\n\t"
        "smlad r4, lr, r9, r4\n\t"
        "smuad r5, lr, r8\n\t"
        "ldr   r3, [r1, #8]\n\t"
        "ldr   lr, [r1, #12]\n\t"
        "smlad r4, r3, r10, r4\n\t"
        "smlad r5, r3, r9, r5\n\t"
        "smuad r6, r3, r8\n\t"
        "smlad r4, lr, r11, r4\n\t"
        "smlad r5, lr, r10, r5\n\t"
        "smlad r6, lr, r9, r6\n\t"
        "smuad r7, lr, r8\n\t"
        "ldr   r3, [r1, #16]\n\t"
        "ldr   lr, [r1, #20]\n\t"
        "smlad r4, r3, r12, r4\n\t"
        "smlad r5, r3, r11, r5\n\t"
        "smlad r6, r3, r10, r6\n\t"
        "smlad r7, r3, r9, r7\n\t"
        "smlad r5, lr, r12, r5\n\t"
        "smlad r6, lr, r11, r6\n\t"
        "smlad r7, lr, r10, r7\n\t"
        "ldr   r3, [r1, #24]\n\t"
        "ldr   lr, [r1, #28]\n\t"
        "smlad r6, r3, r12, r6\n\t"
        "smlad r7, r3, r11, r7\n\t"
        "smlad r7, lr, r12, r7\n\t"
        TFLM_EXT_DEPTHWISE_1D_END);
}

/* clang-format on */

/*
 * Writes pairs of pixels of four neighbouring channels to the line of each channel, a word for each
 * pair. Counts: pairs, step of the first pixels, step of the second pixels, bytes of a line. The
 * step of padding is 0.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_1d_pack(const int8_t *first, const int8_t *second, int16_t *line,
                           const int32_t *counts)
{
    __asm__ volatile("push  {r4-r10, lr}\n\t"
                     "ldm   r3, {r3, r7-r9}\n\t"
                     "add   r10, r9, r9, lsl #1\n"
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
                     "str   r5, [r2, r9]\n\t"
                     "str   r6, [r2, r9, lsl #1]\n\t"
                     "str   r12, [r2, r10]\n\t"
                     "str   r4, [r2], #4\n\t"
                     "subs  r3, r3, #1\n\t"
                     "bne   1b\n\t"
                     "pop   {r4-r10, pc}\n\t");
}

#pragma GCC diagnostic pop

#else

/* Four outputs at a time, for a filter of some pairs of taps. */
static inline void tflm_ext_depthwise_1d_any_taps(const int32_t *table, int32_t pairs,
                                                  const int16_t *line, int8_t *out,
                                                  const tflm_ext_depthwise_1d_outputs_t *outputs)
{
    const int32_t *const requant = &table[(pairs + 1) / 2];

    for (int32_t i = 0; i < (4 * outputs->groups); ++i) {
        int32_t sum = 0;
        for (int32_t pair = 0; pair < pairs; ++pair) {
            const uint32_t bytes = (uint32_t)table[pair / 2];
            const uint32_t taps =
                ((pair % 2) == 0) ? tflm_ext_sxtb16(bytes) : tflm_ext_sxtb16_ror8(bytes);
            sum += line[2 * (i + pair)] * tflm_ext_low(taps);
            sum += line[(2 * (i + pair)) + 1] * tflm_ext_high(taps);
        }
        out[i * outputs->pixel] = tflm_ext_sum_to_int8(sum, requant, outputs->zero_point);
    }
}

static inline void tflm_ext_depthwise_1d_6_taps(const int32_t *table, const int16_t *line,
                                                int8_t *out,
                                                const tflm_ext_depthwise_1d_outputs_t *outputs)
{
    tflm_ext_depthwise_1d_any_taps(table, 3, line, out, outputs);
}

static inline void tflm_ext_depthwise_1d_10_taps(const int32_t *table, const int16_t *line,
                                                 int8_t *out,
                                                 const tflm_ext_depthwise_1d_outputs_t *outputs)
{
    tflm_ext_depthwise_1d_any_taps(table, 5, line, out, outputs);
}

static inline void tflm_ext_depthwise_1d_pack(const int8_t *first, const int8_t *second,
                                              int16_t *line, const int32_t *counts)
{
    for (int32_t i = 0; i < counts[0]; ++i) {
        for (int32_t c = 0; c < 4; ++c) {
            int16_t *const words = &line[(c * counts[3]) / 2];
            words[2 * i] = first[(i * counts[1]) + c];
            words[(2 * i) + 1] = second[(i * counts[2]) + c];
        }
    }
}

#endif

/* Writes every d-th value of a row of four channels to their lines, beginning at `from`. */
static inline void tflm_ext_depthwise_1d_line(const tflm_ext_depthwise_conv_1d_t *op,
                                              const int8_t *row, int32_t from,
                                              const int8_t *padding, int16_t *line)
{
    const int32_t step = op->dilation_width;
    int32_t word = 0;

    while (word < op->line_words) {
        const int32_t x = from + (2 * word * step);
        const int32_t right = x + step;
        const bool left_inside = (x >= 0) && (x < op->input_width);
        const bool right_inside = (right >= 0) && (right < op->input_width);
        int32_t counts[4] = { 1, 0, 0, 4 * op->line_words };
        if (left_inside && right_inside) {
            const int32_t both = ((op->input_width - 1 - right) / (2 * step)) + 1;
            const int32_t left = op->line_words - word;
            counts[0] = (both < left) ? both : left;
        } else if (x >= op->input_width) {
            counts[0] = op->line_words - word;
        } else {
            /* a word at the edge of the image */
        }
        if (left_inside) {
            counts[1] = 2 * step * op->channels;
        }
        if (right_inside) {
            counts[2] = 2 * step * op->channels;
        }
        tflm_ext_depthwise_1d_pack(left_inside ? &row[x * op->channels] : padding,
                                   right_inside ? &row[right * op->channels] : padding,
                                   &line[2 * word], counts);
        word += counts[0];
    }
}

/*
 * `count` outputs of each of four channels; each output begins one word later in its line. The
 * lines are `line` values apart.
 */
static inline void tflm_ext_depthwise_1d_outputs(tflm_ext_depthwise_1d_tile_t tile,
                                                 const int32_t *table, int32_t own_table,
                                                 const int16_t *lines, int32_t line, int8_t *out,
                                                 int32_t count,
                                                 const tflm_ext_depthwise_1d_outputs_t *all)
{
    const int32_t first = count - 4; /* of the last four */
    tflm_ext_depthwise_1d_outputs_t one = { 1, all->pixel, all->zero_point };

    for (int32_t c = 0; c < 4; ++c) {
        const int32_t *const own = &table[c * own_table];
        const int16_t *const from = &lines[c * line];
        if (count >= 4) {
            tile(own, from, &out[c], all);
            if ((count % 4) != 0) { /* some of these again */
                tile(own, &from[2 * first], &out[(first * all->pixel) + c], &one);
            }
        } else {
            int8_t values[4];
            one.pixel = 1;
            tile(own, from, values, &one);
            for (int32_t i = 0; i < count; ++i) {
                out[(i * all->pixel) + c] = values[i];
            }
        }
    }
}

/* All outputs of four channels in a row. */
static inline void tflm_ext_depthwise_1d_row(const tflm_ext_depthwise_conv_1d_t *op,
                                             tflm_ext_depthwise_1d_tile_t tile,
                                             const int32_t *table, int32_t own_table,
                                             const int16_t *lines, int8_t *out)
{
    const int32_t step = op->dilation_width;
    const int32_t line = 2 * op->line_words;
    const int32_t kinds = 3 - op->stride_width; /* even and odd outputs at stride 1 */
    const int32_t channels = op->channels;

    for (int32_t phase = 0; (phase < step) && (phase < op->output_width); ++phase) {
        const int32_t outputs = ((op->output_width - phase) + (step - 1)) / step;
        for (int32_t kind = 0; kind < kinds; ++kind) {
            const int32_t count = (outputs + ((kinds - 1) - kind)) / kinds;
            const tflm_ext_depthwise_1d_outputs_t all = { count / 4, kinds * step * channels,
                                                          op->output_zero_point };
            tflm_ext_depthwise_1d_outputs(tile, table, own_table, &lines[(4 * phase * line) + kind],
                                          line, &out[(phase + (kind * step)) * channels], count,
                                          &all);
        }
    }
}

/* `lines` has room for the lines of four channels; the table has `own_table` words per channel. */
TFLM_EXT_SHARED static void tflm_ext_depthwise_1d(const tflm_ext_depthwise_conv_1d_t *op,
                                                  const int8_t *input, const int32_t *table,
                                                  int16_t *lines, int8_t *output,
                                                  tflm_ext_depthwise_1d_tile_t tile,
                                                  int32_t own_table)
{
    const int32_t channels = op->channels;
    const int32_t input_row = op->input_width * channels;
    const int32_t output_row = op->output_width * channels;
    const uint8_t byte = (uint8_t)((uint32_t)op->input_zero_point & 0xFFU);
    const uint8_t padding[4] = { byte, byte, byte, byte };

    for (int32_t y = 0; y < (op->batches * op->output_height); ++y) {
        const int32_t image = y / op->output_height;
        const int32_t top = (y % op->output_height) * op->stride_height;
        const int8_t *const row = &input[((image * op->input_height) + top) * input_row];
        for (int32_t first = 0; first < channels; first += 4) {
            const int32_t channel = ((first + 4) <= channels) ? first : (channels - 4);
            for (int32_t phase = 0; phase < op->dilation_width; ++phase) {
                tflm_ext_depthwise_1d_line(op, &row[channel], phase - op->pad_left,
                                           (const int8_t *)padding,
                                           &lines[8 * phase * op->line_words]);
            }
            tflm_ext_depthwise_1d_row(op, tile, &table[channel * own_table], own_table, lines,
                                      &output[(y * output_row) + channel]);
        }
    }
}

typedef tflm_ext_depthwise_conv_1d_t tflm_ext_depthwise_conv_1d_6_t;

TFLM_EXT_SHARED static void tflm_ext_depthwise_conv_1d_6(const tflm_ext_depthwise_conv_1d_6_t *op,
                                                         const int8_t *input, const int32_t *table,
                                                         int16_t *lines, int8_t *output)
{
    tflm_ext_depthwise_1d(op, input, table, lines, output, &tflm_ext_depthwise_1d_6_taps, 4);
}

typedef tflm_ext_depthwise_conv_1d_t tflm_ext_depthwise_conv_1d_10_t;

TFLM_EXT_SHARED static void tflm_ext_depthwise_conv_1d_10(const tflm_ext_depthwise_conv_1d_10_t *op,
                                                          const int8_t *input, const int32_t *table,
                                                          int16_t *lines, int8_t *output)
{
    tflm_ext_depthwise_1d(op, input, table, lines, output, &tflm_ext_depthwise_1d_10_taps, 5);
}

#endif
