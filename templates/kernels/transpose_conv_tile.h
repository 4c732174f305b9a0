/* SPDX-License-Identifier: 0BSD */
/*
 * TRANSPOSE_CONV as matrix products; see conv_2d_tile.h.
 *
 * Outputs whose coordinates, padding included, have the same remainders after division by the
 * strides use the same taps: every stride-th one, beginning at the remainder. They form a
 * convolution with stride 1 and fewer taps, whose outputs are `stride` apart.
 *
 * Layouts: input [batch][y][x][channel], output [batch][y][x][output channel]. The stream contains
 * the filters of these convolutions in the order [remainder in height][remainder in width]. A
 * column has the order [tap in height][tap in width][channel], and each tap is one pixel before the
 * previous one.
 */
#ifndef TFLM_EXT_TRANSPOSE_CONV_TILE_H
#define TFLM_EXT_TRANSPOSE_CONV_TILE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "conv_2d_tile.h"
#include "matrix_tile.h"

typedef struct {
    int32_t batches;
    int32_t input_height;
    int32_t input_width;
    int32_t input_channels; /* a multiple of four */
    int32_t filter_height;  /* at least the stride, likewise the width */
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t pad_top;
    int32_t pad_left;
    int32_t output_height;
    int32_t output_width; /* at least three strides */
    int32_t output_channels;
    int32_t input_zero_point;
    int32_t output_zero_point;
} tflm_ext_transpose_conv_tile_t;

/* The number of taps that outputs with this remainder use. */
static inline int32_t tflm_ext_transpose_taps(int32_t filter, int32_t stride, int32_t remainder)
{
    return ((filter - remainder) + (stride - 1)) / stride;
}

/* Columns of three neighbouring outputs with the same remainders; the first begins at (y, x). */
static inline void tflm_ext_transpose_columns(const tflm_ext_transpose_conv_tile_t *op,
                                              const int8_t *image, int32_t y, int32_t x,
                                              const int32_t *taps, const int8_t *padding,
                                              uint32_t *columns)
{
    const int32_t channels = op->input_channels;
    uint32_t *next = columns;

    for (int32_t ky = 0; ky < taps[0]; ++ky) {
        const bool outside = ((y - ky) < 0) || ((y - ky) >= op->input_height);
        const int8_t *const row = &image[(y - ky) * op->input_width * channels];
        for (int32_t kx = 0; kx < taps[1]; ++kx) {
            const int8_t *pixels[3];
            for (int32_t i = 0; i < 3; ++i) {
                const int32_t at = (x + i) - kx;
                const bool inside = !outside && (at >= 0) && (at < op->input_width);
                pixels[i] = inside ? &row[at * channels] : padding;
            }
            next = tflm_ext_widen_3(pixels[0], pixels[1], pixels[2], next, channels / 4);
        }
    }
}

/* The outputs of row y with the same remainder in width. */
static inline void tflm_ext_transpose_row(const tflm_ext_transpose_conv_tile_t *op,
                                          const int8_t *image, int32_t y, int32_t remainder,
                                          const int32_t *taps, const int32_t *stream,
                                          const int8_t *padding, uint32_t *columns, int8_t *out)
{
    const int32_t filters = op->output_channels;
    const int32_t stride = op->stride_width;
    const int32_t quads = taps[0] * taps[1] * (op->input_channels / 4);
    const int32_t before = (remainder - (op->pad_left % stride)) + stride;
    const int32_t start = before % stride; /* of these outputs */
    const int32_t count = ((op->output_width - start) + (stride - 1)) / stride;
    const int32_t place = (start + op->pad_left) / stride;
    const tflm_ext_tile_t tile = { &stream[(filters / 2) * ((2 * 2) + (2 * quads))], quads,
                                   op->output_zero_point, stride * filters };

    for (int32_t done = 0; done < count; done += 3) {
        const int32_t first = ((done + 3) <= count) ? done : (count - 3);
        tflm_ext_transpose_columns(op, image, (y + op->pad_top) / op->stride_height, place + first,
                                   taps, padding, columns);
        tflm_ext_conv_2d_tile_filters(&tile, filters, stream, columns,
                                      &out[(start + (first * stride)) * filters]);
    }
}

/* `columns` has room for three columns, `padding` for a pixel. */
TFLM_EXT_SHARED static void tflm_ext_transpose_conv_tile(const tflm_ext_transpose_conv_tile_t *op,
                                                         const int8_t *input, const int32_t *stream,
                                                         int32_t *columns, int8_t *padding,
                                                         int8_t *output)
{
    const int32_t image = op->input_height * op->input_width * op->input_channels;
    const int32_t filters = op->output_channels;
    const int32_t row = op->output_width * filters;

    (void)memset(padding, op->input_zero_point, (size_t)op->input_channels);
    for (int32_t at = 0; at < (op->batches * op->output_height); ++at) {
        const int32_t batch = at / op->output_height;
        const int32_t y = at - (batch * op->output_height);
        const int32_t *next = stream;
        for (int32_t remainder = 0; remainder < (op->stride_height * op->stride_width);
             ++remainder) {
            const int32_t below = remainder / op->stride_width;
            const int32_t right = remainder - (below * op->stride_width);
            const int32_t taps[2] = {
                tflm_ext_transpose_taps(op->filter_height, op->stride_height, below),
                tflm_ext_transpose_taps(op->filter_width, op->stride_width, right)
            };
            const int32_t words = 2 * taps[0] * taps[1] * (op->input_channels / 4);
            if (((y + op->pad_top) % op->stride_height) == below) {
                tflm_ext_transpose_row(op, &input[batch * image], y, right, taps, next, padding,
                                       (uint32_t *)columns, &output[at * row]);
            }
            next = &next[((filters / 2) * (words + 4)) + ((filters % 2) * (words + 2))];
        }
    }
}

#endif
