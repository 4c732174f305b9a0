/* SPDX-License-Identifier: 0BSD */
/*
 * AVERAGE_POOL_2D and MAX_POOL_2D over int8 images.
 *
 * Layout of input and output: [batch][y][x][channel]. Only the part of a window inside the image
 * counts; it is never empty.
 */
#ifndef TFLM_EXT_POOL_2D_H
#define TFLM_EXT_POOL_2D_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t channels;
    int32_t window_height;
    int32_t window_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t pad_top;
    int32_t pad_left;
    int32_t output_height;
    int32_t output_width;
    int32_t output_min;
    int32_t output_max;
} tflm_ext_pool_2d_t;

typedef tflm_ext_pool_2d_t tflm_ext_average_pool_2d_t;
typedef tflm_ext_pool_2d_t tflm_ext_max_pool_2d_t;

/* The part of a window inside the image: first row and column, and the ends of both. */
typedef struct {
    int32_t top;
    int32_t left;
    int32_t bottom;
    int32_t right;
} tflm_ext_pool_2d_window_t;

static inline tflm_ext_pool_2d_window_t tflm_ext_pool_2d_window(const tflm_ext_pool_2d_t *op,
                                                                int32_t y, int32_t x)
{
    const int32_t top = (y * op->stride_height) - op->pad_top;
    const int32_t left = (x * op->stride_width) - op->pad_left;
    const tflm_ext_pool_2d_window_t window = {
        tflm_ext_max(top, 0),
        tflm_ext_max(left, 0),
        tflm_ext_min(top + op->window_height, op->input_height),
        tflm_ext_min(left + op->window_width, op->input_width),
    };
    return window;
}

static inline int32_t tflm_ext_pool_2d_mean(const tflm_ext_pool_2d_t *op, const int8_t *channel,
                                            tflm_ext_pool_2d_window_t window)
{
    const int32_t count = (window.bottom - window.top) * (window.right - window.left);
    int32_t sum = 0;

    for (int32_t y = window.top; y < window.bottom; ++y) {
        for (int32_t x = window.left; x < window.right; ++x) {
            sum += (int32_t)channel[((y * op->input_width) + x) * op->channels];
        }
    }
    return tflm_ext_divide_half_away(sum, count);
}

static inline int32_t tflm_ext_pool_2d_largest(const tflm_ext_pool_2d_t *op, const int8_t *channel,
                                               tflm_ext_pool_2d_window_t window)
{
    int32_t largest = INT8_MIN;

    for (int32_t y = window.top; y < window.bottom; ++y) {
        for (int32_t x = window.left; x < window.right; ++x) {
            const int32_t value = (int32_t)channel[((y * op->input_width) + x) * op->channels];
            largest = tflm_ext_max(largest, value);
        }
    }
    return largest;
}

static inline void tflm_ext_average_pool_2d(const tflm_ext_average_pool_2d_t *op,
                                            const int8_t *input, int8_t *output)
{
    const int32_t image_size = op->input_height * op->input_width * op->channels;
    int8_t *out = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        const int8_t *image = &input[batch * image_size];
        for (int32_t y = 0; y < op->output_height; ++y) {
            for (int32_t x = 0; x < op->output_width; ++x) {
                const tflm_ext_pool_2d_window_t window = tflm_ext_pool_2d_window(op, y, x);
                for (int32_t c = 0; c < op->channels; ++c) {
                    const int32_t mean = tflm_ext_pool_2d_mean(op, &image[c], window);
                    *out = (int8_t)tflm_ext_clamp(mean, op->output_min, op->output_max);
                    ++out;
                }
            }
        }
    }
}

static inline void tflm_ext_max_pool_2d(const tflm_ext_max_pool_2d_t *op, const int8_t *input,
                                        int8_t *output)
{
    const int32_t image_size = op->input_height * op->input_width * op->channels;
    int8_t *out = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        const int8_t *image = &input[batch * image_size];
        for (int32_t y = 0; y < op->output_height; ++y) {
            for (int32_t x = 0; x < op->output_width; ++x) {
                const tflm_ext_pool_2d_window_t window = tflm_ext_pool_2d_window(op, y, x);
                for (int32_t c = 0; c < op->channels; ++c) {
                    const int32_t largest = tflm_ext_pool_2d_largest(op, &image[c], window);
                    *out = (int8_t)tflm_ext_clamp(largest, op->output_min, op->output_max);
                    ++out;
                }
            }
        }
    }
}

#endif
