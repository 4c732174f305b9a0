/* SPDX-License-Identifier: 0BSD */
/*
 * TRANSPOSE_CONV: every input pixel is multiplied by the filters and added to the output, in which
 * input pixels are `stride` pixels apart. It is computed output by output, so no sums are stored.
 *
 * Layouts: input [batch][y][x][channel], weights [output channel][y][x][input channel], output
 * [batch][y][x][output channel].
 */
#ifndef TFLM_EXT_TRANSPOSE_CONV_H
#define TFLM_EXT_TRANSPOSE_CONV_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t input_channels;
    int32_t filter_height;
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t pad_top;
    int32_t pad_left;
    int32_t output_height;
    int32_t output_width;
    int32_t output_channels;
    int32_t input_zero_point;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
} tflm_ext_transpose_conv_t;

/*
 * The contribution of the image to an output at (row, column) of the padded output: tap (ky, kx)
 * multiplies an input pixel if the strides divide row - ky and column - kx.
 */
static inline int32_t tflm_ext_transpose_conv_gather(const tflm_ext_transpose_conv_t *op,
                                                     const int8_t *image, const int8_t *filter,
                                                     int32_t row, int32_t column)
{
    int32_t sum = 0;

    for (int32_t ky = row % op->stride_height; ky < op->filter_height; ky += op->stride_height) {
        const int32_t y = (row - ky) / op->stride_height;
        if ((row < ky) || (y >= op->input_height)) {
            continue;
        }
        for (int32_t kx = column % op->stride_width; kx < op->filter_width;
             kx += op->stride_width) {
            const int32_t x = (column - kx) / op->stride_width;
            if ((column < kx) || (x >= op->input_width)) {
                continue;
            }
            const int8_t *pixel = &image[((y * op->input_width) + x) * op->input_channels];
            const int8_t *taps = &filter[((ky * op->filter_width) + kx) * op->input_channels];
            for (int32_t c = 0; c < op->input_channels; ++c) {
                sum += ((int32_t)pixel[c] - op->input_zero_point) * (int32_t)taps[c];
            }
        }
    }
    return sum;
}

static inline void tflm_ext_transpose_conv(const tflm_ext_transpose_conv_t *op, const int8_t *input,
                                           const int8_t *weights, const int32_t *bias,
                                           const int32_t *multipliers, const int8_t *shifts,
                                           int8_t *output)
{
    const int32_t filter_size = op->filter_height * op->filter_width * op->input_channels;
    const int32_t image_size = op->input_height * op->input_width * op->input_channels;
    int8_t *out = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        const int8_t *image = &input[batch * image_size];
        for (int32_t y = 0; y < op->output_height; ++y) {
            for (int32_t x = 0; x < op->output_width; ++x) {
                for (int32_t c = 0; c < op->output_channels; ++c) {
                    const int32_t sum = bias[c] + tflm_ext_transpose_conv_gather(
                                                      op, image, &weights[c * filter_size],
                                                      y + op->pad_top, x + op->pad_left);
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
