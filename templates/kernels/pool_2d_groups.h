/* SPDX-License-Identifier: 0BSD */
/*
 * AVERAGE_POOL_2D for groups of four channels, with two 16-bit sums in a word; see pool_2d.h.
 *
 * The number of channels is a multiple of four, and a window has at most 255 pixels.
 */
#ifndef TFLM_EXT_POOL_2D_GROUPS_H
#define TFLM_EXT_POOL_2D_GROUPS_H

#include <stdint.h>

#include "arithmetic.h"
#include "dsp.h"
#include "pool_2d.h"

typedef tflm_ext_pool_2d_t tflm_ext_average_pool_2d_groups_t;

/* The means of a window of four channels. */
static inline void tflm_ext_pool_2d_four_means(const tflm_ext_pool_2d_t *op, const int8_t *channels,
                                               tflm_ext_pool_2d_window_t window, int8_t *out)
{
    const int32_t width = window.right - window.left;
    const int32_t count = (window.bottom - window.top) * width;
    const int8_t *next = &channels[((window.top * op->input_width) + window.left) * op->channels];
    uint32_t even = 0U;
    uint32_t odd = 0U;

    for (int32_t y = window.top; y < window.bottom; ++y) {
        for (int32_t x = 0; x < width; ++x) {
            const uint32_t word = tflm_ext_load_word(next);
            even = tflm_ext_sxtab16(even, word);
            odd = tflm_ext_sxtab16_ror8(odd, word);
            next = &next[op->channels];
        }
        next = &next[(op->input_width - width) * op->channels];
    }
    const int32_t sums[4] = { tflm_ext_low(even), tflm_ext_low(odd), tflm_ext_high(even),
                              tflm_ext_high(odd) };
    for (int32_t c = 0; c < 4; ++c) {
        const int32_t mean = tflm_ext_divide_half_away(sums[c], count);
        out[c] = (int8_t)tflm_ext_clamp(mean, op->output_min, op->output_max);
    }
}

TFLM_EXT_SHARED static void
tflm_ext_average_pool_2d_groups(const tflm_ext_average_pool_2d_groups_t *op, const int8_t *input,
                                int8_t *output)
{
    const int32_t image_size = op->input_height * op->input_width * op->channels;
    int8_t *out = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        const int8_t *image = &input[batch * image_size];
        for (int32_t y = 0; y < op->output_height; ++y) {
            for (int32_t x = 0; x < op->output_width; ++x) {
                const tflm_ext_pool_2d_window_t window = tflm_ext_pool_2d_window(op, y, x);
                for (int32_t c = 0; c < op->channels; c += 4) {
                    tflm_ext_pool_2d_four_means(op, &image[c], window, out);
                    out = &out[4];
                }
            }
        }
    }
}

#endif
