/* SPDX-License-Identifier: 0BSD */
/*
 * RESIZE_BILINEAR of int8 images [batch][y][x][channel] in integer arithmetic: positions have ten
 * fractional bits, values have twenty.
 */
#ifndef TFLM_EXT_RESIZE_BILINEAR_H
#define TFLM_EXT_RESIZE_BILINEAR_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t channels;
    int32_t output_height;
    int32_t output_width;
    int32_t step_y; /* input rows per output row, times 1024 */
    int32_t step_x;
    int32_t start_y; /* position of output row 0 in the input, times 1024 */
    int32_t start_x;
} tflm_ext_resize_bilinear_t;

/* The position of an output row or column between two of the input. */
typedef struct {
    int32_t low;
    int32_t high;
    int32_t weight; /* of the high one, times 1024; negative only if both are the same */
} tflm_ext_resize_bilinear_between_t;

static inline tflm_ext_resize_bilinear_between_t tflm_ext_resize_bilinear_between(int32_t position,
                                                                                  int32_t size)
{
    tflm_ext_resize_bilinear_between_t between;

    between.low = tflm_ext_max(position / 1024, 0);
    between.high = tflm_ext_min((position + 1023) / 1024, size - 1);
    between.weight = position - (1024 * between.low);
    return between;
}

static inline void tflm_ext_resize_bilinear(const tflm_ext_resize_bilinear_t *op,
                                            const int8_t *input, int8_t *output)
{
    const int32_t image_size = op->input_height * op->input_width * op->channels;
    int8_t *out = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        const int8_t *image = &input[batch * image_size];
        for (int32_t y = 0; y < op->output_height; ++y) {
            const tflm_ext_resize_bilinear_between_t v =
                tflm_ext_resize_bilinear_between((y * op->step_y) + op->start_y, op->input_height);
            const int8_t *upper = &image[v.low * op->input_width * op->channels];
            const int8_t *lower = &image[v.high * op->input_width * op->channels];
            for (int32_t x = 0; x < op->output_width; ++x) {
                const tflm_ext_resize_bilinear_between_t h = tflm_ext_resize_bilinear_between(
                    (x * op->step_x) + op->start_x, op->input_width);
                const int32_t left = h.low * op->channels;
                const int32_t right = h.high * op->channels;
                for (int32_t c = 0; c < op->channels; ++c) {
                    /* -512 <= weight < 1024: sums of a row <= 2^18, of both <= 2^29. */
                    const int32_t above =
                        (upper[left + c] * (1024 - h.weight)) + (upper[right + c] * h.weight);
                    const int32_t below =
                        (lower[left + c] * (1024 - h.weight)) + (lower[right + c] * h.weight);
                    const int32_t value = (above * (1024 - v.weight)) + (below * v.weight);
                    *out = (int8_t)tflm_ext_rounding_shift_right(value, 20);
                    ++out;
                }
            }
        }
    }
}

#endif
