/* SPDX-License-Identifier: 0BSD */
/*
 * DEPTHWISE_CONV_2D: every channel of an int8 image is convolved with its own filters.
 *
 * Layouts: input [batch][y][x][channel], weights [y][x][output channel], output
 * [batch][y][x][output channel]; output channel c belongs to input channel c / depth_multiplier.
 * Taps outside the image count as real zero.
 */
#ifndef TFLM_EXT_DEPTHWISE_CONV_2D_H
#define TFLM_EXT_DEPTHWISE_CONV_2D_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t input_channels;
    int32_t depth_multiplier; /* output channels per input channel */
    int32_t filter_height;
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t pad_top;
    int32_t pad_left;
    int32_t output_height;
    int32_t output_width;
    int32_t input_zero_point;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
} tflm_ext_depthwise_conv_2d_t;

/*
 * Sum of a filter over one channel of the window whose first tap is at (top, left). `channel`
 * points to the channel in the first pixel, `filter` to the output channel in the first tap.
 */
static inline int32_t tflm_ext_depthwise_conv_2d_window(const tflm_ext_depthwise_conv_2d_t *op,
                                                        const int8_t *channel, const int8_t *filter,
                                                        int32_t top, int32_t left)
{
    const int32_t output_channels = op->input_channels * op->depth_multiplier;
    int32_t sum = 0;

    for (int32_t ky = 0; ky < op->filter_height; ++ky) {
        const int32_t y = top + (ky * op->dilation_height);
        if ((y < 0) || (y >= op->input_height)) {
            continue;
        }
        for (int32_t kx = 0; kx < op->filter_width; ++kx) {
            const int32_t x = left + (kx * op->dilation_width);
            if ((x < 0) || (x >= op->input_width)) {
                continue;
            }
            const int32_t pixel = ((y * op->input_width) + x) * op->input_channels;
            const int32_t tap = ((ky * op->filter_width) + kx) * output_channels;
            sum += ((int32_t)channel[pixel] - op->input_zero_point) * (int32_t)filter[tap];
        }
    }
    return sum;
}

static inline void tflm_ext_depthwise_conv_2d(const tflm_ext_depthwise_conv_2d_t *op,
                                              const int8_t *input, const int8_t *weights,
                                              const int32_t *bias, const int32_t *multipliers,
                                              const int8_t *shifts, int8_t *output)
{
    const int32_t image_size = op->input_height * op->input_width * op->input_channels;
    int8_t *out = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        const int8_t *image = &input[batch * image_size];
        for (int32_t y = 0; y < op->output_height; ++y) {
            const int32_t top = (y * op->stride_height) - op->pad_top;
            for (int32_t x = 0; x < op->output_width; ++x) {
                const int32_t left = (x * op->stride_width) - op->pad_left;
                int32_t c = 0; /* output channel */
                for (int32_t channel = 0; channel < op->input_channels; ++channel) {
                    for (int32_t m = 0; m < op->depth_multiplier; ++m) {
                        const int32_t sum =
                            bias[c] + tflm_ext_depthwise_conv_2d_window(op, &image[channel],
                                                                        &weights[c], top, left);
                        const int32_t scaled = tflm_ext_requantize(sum, multipliers[c], shifts[c]) +
                                               op->output_zero_point;
                        *out = (int8_t)tflm_ext_clamp(scaled, op->output_min, op->output_max);
                        ++out;
                        ++c;
                    }
                }
            }
        }
    }
}

#endif
