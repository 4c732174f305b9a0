/* SPDX-License-Identifier: 0BSD */
/*
 * DEPTHWISE_CONV_2D for few outputs with windows entirely inside the image, one output channel per
 * input channel. It reads the image in place: with few outputs, the preparation that other kernels
 * do would not pay off.
 *
 * Layouts: input and output [batch][y][x][channel]. For every four channels, the table contains the
 * taps as bytes, four channels in a word, row by row, and then the two requant words of
 * tflm_ext_sum_to_int8() for each of the channels. The contribution of the input's zero point is
 * part of the bias. An output of one pixel may begin at the address of the input. If the number of
 * channels is not a multiple of four, the last four overlap with those before.
 */
#ifndef TFLM_EXT_DEPTHWISE_CONV_2D_DIRECT_H
#define TFLM_EXT_DEPTHWISE_CONV_2D_DIRECT_H

#include <stdint.h>

#include "dsp.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t channels; /* at least four */
    int32_t filter_height;
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t output_height;
    int32_t output_width;
    int32_t output_zero_point;
} tflm_ext_depthwise_conv_2d_direct_t;

/* Parameters of all windows. */
typedef struct {
    int32_t zero_point; /* of the output */
    int32_t rows;
    int32_t columns;
    int32_t pixel; /* bytes from one tap to the next */
    int32_t row;   /* bytes from the end of a row of taps to the next row */
} tflm_ext_depthwise_window_t;

#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* clang-format off */

/*
 * An output pixel of four channels. r0 image, r1 table, r2 output, r3 bytes to the next tap, r4-r7
 * sums, r8-r11 values and taps, then requant words; r12 columns left, lr rows left. On the stack:
 * *window.
 */
__attribute__((naked, noinline, unused)) static void
tflm_ext_depthwise_four_sums(const int8_t *image, const int32_t *table, int8_t *out,
                             const tflm_ext_depthwise_window_t *window)
{
    __asm__ volatile(
        "push  {r4-r11, lr}\n\t"
        "ldm   r3, {r4-r8}\n\t"
        "push  {r4-r8}\n\t"
        "mov   lr, r5\n\t"
        "mov   r3, r7\n\t"
        "movs  r4, #0\n\t"
        "movs  r5, #0\n\t"
        "movs  r6, #0\n\t"
        "movs  r7, #0\n"
        "1:\n\t"
        "ldr   r12, [sp, #8]\n" /* columns */
        "2:\n\t"
        "ldr   r8, [r0]\n\t"
        "ldr   r9, [r1], #4\n\t"
        "add   r0, r0, r3\n\t"
        "sxtb16 r10, r8\n\t"
        "sxtb16 r11, r9\n\t"
        "smlabb r4, r10, r11, r4\n\t"
        "smlatt r6, r10, r11, r6\n\t"
        "sxtb16 r8, r8, ror #8\n\t"
        "sxtb16 r9, r9, ror #8\n\t"
        "smlabb r5, r8, r9, r5\n\t"
        "smlatt r7, r8, r9, r7\n\t"
        "subs  r12, r12, #1\n\t"
        "bne   2b\n\t"
        "ldr   r12, [sp, #16]\n\t" /* row */
        "add   r0, r0, r12\n\t"
        "subs  lr, lr, #1\n\t"
        "bne   1b\n\t"
        "ldr   r12, [sp]\n\t" /* zero_point */
        "mvn   r3, #0\n\t"
        "ldm   r1!, {r8, r9}\n\t"
        "add   r4, r4, r8, asr #8\n\t"
        "lsl   r10, r3, r8\n\t"
        "smmlar r4, r4, r9, r4\n\t"
        "add   r4, r4, r4, asr #31\n\t"
        "smmlsr r4, r4, r10, r12\n\t"
        "ssat  r4, #8, r4\n\t"
        "strb  r4, [r2], #1\n\t"
        "ldm   r1!, {r8, r9}\n\t"
        "add   r5, r5, r8, asr #8\n\t"
        "lsl   r10, r3, r8\n\t"
        "smmlar r5, r5, r9, r5\n\t"
        "add   r5, r5, r5, asr #31\n\t"
        "smmlsr r5, r5, r10, r12\n\t"
        "ssat  r5, #8, r5\n\t"
        "strb  r5, [r2], #1\n\t"
        "ldm   r1!, {r8, r9}\n\t"
        "add   r6, r6, r8, asr #8\n\t"
        "lsl   r10, r3, r8\n\t"
        "smmlar r6, r6, r9, r6\n\t"
        "add   r6, r6, r6, asr #31\n\t"
        "smmlsr r6, r6, r10, r12\n\t"
        "ssat  r6, #8, r6\n\t"
        "strb  r6, [r2], #1\n\t"
        "ldm   r1!, {r8, r9}\n\t"
        "add   r7, r7, r8, asr #8\n\t"
        "lsl   r10, r3, r8\n\t"
        "smmlar r7, r7, r9, r7\n\t"
        "add   r7, r7, r7, asr #31\n\t"
        "smmlsr r7, r7, r10, r12\n\t"
        "ssat  r7, #8, r7\n\t"
        "strb  r7, [r2], #1\n\t"
        "add   sp, sp, #20\n\t"
        "pop   {r4-r11, pc}\n\t");
}
/* clang-format on */

#pragma GCC diagnostic pop

#else

static inline void tflm_ext_depthwise_four_sums(const int8_t *image, const int32_t *table,
                                                int8_t *out,
                                                const tflm_ext_depthwise_window_t *window)
{
    const int32_t *const requant = &table[window->rows * window->columns];
    int32_t sums[4] = { 0, 0, 0, 0 };

    for (int32_t ky = 0; ky < window->rows; ++ky) {
        const int8_t *const row = &image[ky * ((window->columns * window->pixel) + window->row)];
        for (int32_t kx = 0; kx < window->columns; ++kx) {
            const uint32_t taps = (uint32_t)table[(ky * window->columns) + kx];
            const uint32_t even = tflm_ext_sxtb16(taps);
            const uint32_t odd = tflm_ext_sxtb16_ror8(taps);
            sums[0] += row[kx * window->pixel] * tflm_ext_low(even);
            sums[1] += row[(kx * window->pixel) + 1] * tflm_ext_low(odd);
            sums[2] += row[(kx * window->pixel) + 2] * tflm_ext_high(even);
            sums[3] += row[(kx * window->pixel) + 3] * tflm_ext_high(odd);
        }
    }
    for (int32_t c = 0; c < 4; ++c) {
        out[c] = tflm_ext_sum_to_int8(sums[c], &requant[2 * c], window->zero_point);
    }
}

#endif

TFLM_EXT_SHARED static void
tflm_ext_depthwise_conv_2d_direct(const tflm_ext_depthwise_conv_2d_direct_t *op,
                                  const int8_t *input, const int32_t *table, int8_t *output)
{
    const int32_t channels = op->channels;
    const int32_t row = op->input_width * channels;
    const int32_t own_table = (op->filter_height * op->filter_width) + 8;
    const int32_t pixel = op->dilation_width * channels;
    const tflm_ext_depthwise_window_t window = {
        .zero_point = op->output_zero_point,
        .rows = op->filter_height,
        .columns = op->filter_width,
        .pixel = pixel,
        .row = (op->dilation_height * row) - (op->filter_width * pixel),
    };
    int8_t *out = output;

    for (int32_t y = 0; y < (op->batches * op->output_height); ++y) {
        const int32_t image = y / op->output_height;
        const int32_t top = (y % op->output_height) * op->stride_height;
        const int8_t *const left = &input[((image * op->input_height) + top) * row];
        for (int32_t x = 0; x < op->output_width; ++x) {
            const int8_t *const corner = &left[x * op->stride_width * channels];
            const int32_t *next = table;
            for (int32_t first = 0; first < channels; first += 4) {
                const int32_t channel = ((first + 4) <= channels) ? first : (channels - 4);
                tflm_ext_depthwise_four_sums(&corner[channel], next, &out[channel], &window);
                next = &next[own_table];
            }
            out = &out[channels];
        }
    }
}

#endif
