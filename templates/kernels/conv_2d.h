/* SPDX-License-Identifier: 0BSD */
/*
 * CONV_2D: convolution of int8 images with int8 weights, one requantisation per output channel.
 *
 * Layouts: input [batch][y][x][channel], weights [output channel][y][x][channel of the group],
 * output [batch][y][x][output channel]. Taps outside the image count as real zero.
 */
#ifndef TFLM_EXT_CONV_2D_H
#define TFLM_EXT_CONV_2D_H

#include <stddef.h>
#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t input_channels;
    int32_t group_channels; /* input channels of a filter */
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
    int32_t output_channels;
    int32_t group_outputs; /* filters with the same input channels */
    int32_t input_zero_point;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
} tflm_ext_conv_2d_t;

/* Sum of a filter over the window whose first tap is at (top, left). */
static inline int32_t tflm_ext_conv_2d_window(const tflm_ext_conv_2d_t *op, const int8_t *image,
                                              const int8_t *filter, int32_t top, int32_t left)
{
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
            const int8_t *pixel = &image[((y * op->input_width) + x) * op->input_channels];
            const int8_t *taps = &filter[((ky * op->filter_width) + kx) * op->group_channels];
            for (int32_t c = 0; c < op->group_channels; ++c) {
                sum += ((int32_t)pixel[c] - op->input_zero_point) * (int32_t)taps[c];
            }
        }
    }
    return sum;
}

static inline void tflm_ext_conv_2d(const tflm_ext_conv_2d_t *op, const int8_t *input,
                                    const int8_t *weights, const int32_t *bias,
                                    const int32_t *multipliers, const int8_t *shifts,
                                    int8_t *output)
{
    const int32_t filter_size = op->filter_height * op->filter_width * op->group_channels;
    const int32_t image_size = op->input_height * op->input_width * op->input_channels;
    int8_t *out = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        const int8_t *image = &input[batch * image_size];
        for (int32_t y = 0; y < op->output_height; ++y) {
            const int32_t top = (y * op->stride_height) - op->pad_top;
            for (int32_t x = 0; x < op->output_width; ++x) {
                const int32_t left = (x * op->stride_width) - op->pad_left;
                for (int32_t c = 0; c < op->output_channels; ++c) {
                    const int32_t group = c / op->group_outputs;
                    const int32_t sum =
                        bias[c] + tflm_ext_conv_2d_window(op, &image[group * op->group_channels],
                                                          &weights[c * filter_size], top, left);
                    const int32_t scaled =
                        tflm_ext_requantize(sum, multipliers[c], shifts[c]) + op->output_zero_point;
                    *out = (int8_t)tflm_ext_clamp(scaled, op->output_min, op->output_max);
                    ++out;
                }
            }
        }
    }
}

#endif
