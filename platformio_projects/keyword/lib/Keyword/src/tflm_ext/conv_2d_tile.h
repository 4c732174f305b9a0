/* SPDX-License-Identifier: 0BSD */
/*
 * CONV_2D as a matrix product: the windows of three output pixels become columns of int16, which
 * are multiplied by two filters at a time; see matrix_tile.h.
 *
 * Layouts: input [batch][y][x][channel], output [batch][y][x][output channel]. A column has the
 * order [y][x][channel] of a filter, except that the values of each row that do not fill a quad
 * come at the end of the column. Taps outside the image have the value of the zero point, whose
 * contribution to the sums is part of the bias. The last three pixels may overlap with the three
 * before.
 */
#ifndef TFLM_EXT_CONV_2D_TILE_H
#define TFLM_EXT_CONV_2D_TILE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dsp.h"
#include "matrix_tile.h"

typedef struct {
    int32_t input_height;
    int32_t input_width;
    int32_t input_channels;
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
    int32_t pixels;    /* of the output, at least three */
    int32_t quads;     /* four values each, of a column */
    int32_t row_quads; /* complete quads of a filter's row */
    int32_t row_rest;  /* remaining values of a filter's row */
    int32_t input_zero_point;
    int32_t output_zero_point;
} tflm_ext_conv_2d_tile_t;

/* Where the window of an output pixel begins. */
typedef struct {
    const int8_t *image;
    int32_t top;
    int32_t left;
} tflm_ext_window_t;

/* Converts bytes of three pixels to columns of int16. Returns the end of the columns. */
#if TFLM_EXT_DSP

/* The parameters are in r0 to r3, and what follows on the stack. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

__attribute__((naked, noinline, unused)) static uint32_t *
tflm_ext_widen_3(const int8_t *a, const int8_t *b, const int8_t *c, uint32_t *columns,
                 int32_t quads)
{
    __asm__ volatile("push  {r4-r9, lr}\n\t"
                     "ldr   r12, [sp, #28]\n"
                     "1:\n\t"
                     "ldr   lr, [r0], #4\n\t"
                     "sxtb16 r4, lr\n\t"
                     "sxtb16 r7, lr, ror #8\n\t"
                     "ldr   lr, [r1], #4\n\t"
                     "sxtb16 r5, lr\n\t"
                     "sxtb16 r8, lr, ror #8\n\t"
                     "ldr   lr, [r2], #4\n\t"
                     "sxtb16 r6, lr\n\t"
                     "sxtb16 r9, lr, ror #8\n\t"
                     "stm   r3!, {r4-r9}\n\t"
                     "subs  r12, r12, #1\n\t"
                     "bne   1b\n\t"
                     "mov   r0, r3\n\t"
                     "pop   {r4-r9, pc}\n\t");
}

#pragma GCC diagnostic pop

#else

static inline uint32_t *tflm_ext_widen_3(const int8_t *a, const int8_t *b, const int8_t *c,
                                         uint32_t *columns, int32_t quads)
{
    for (int32_t i = 0; i < quads; ++i) {
        const uint32_t words[3] = { tflm_ext_load_word(&a[4 * i]), tflm_ext_load_word(&b[4 * i]),
                                    tflm_ext_load_word(&c[4 * i]) };
        for (int32_t j = 0; j < 3; ++j) {
            columns[(6 * i) + j] = tflm_ext_sxtb16(words[j]);
            columns[(6 * i) + 3 + j] = tflm_ext_sxtb16_ror8(words[j]);
        }
    }
    return &columns[6 * quads];
}

#endif

/* Whether all taps of a window are in the image. */
static inline bool tflm_ext_window_is_inside(const tflm_ext_conv_2d_tile_t *op,
                                             const tflm_ext_window_t *window)
{
    const int32_t bottom = window->top + ((op->filter_height - 1) * op->dilation_height);
    const int32_t right = window->left + ((op->filter_width - 1) * op->dilation_width);

    return (window->top >= 0) && (window->left >= 0) && (bottom < op->input_height) &&
           (right < op->input_width);
}

/* A tap's channels, or `padding` outside the image. */
static inline const int8_t *tflm_ext_window_tap(const tflm_ext_conv_2d_tile_t *op,
                                                const tflm_ext_window_t *window, int32_t ky,
                                                int32_t kx, const int8_t *padding)
{
    const int32_t y = window->top + (ky * op->dilation_height);
    const int32_t x = window->left + (kx * op->dilation_width);

    if ((y < 0) || (y >= op->input_height) || (x < 0) || (x >= op->input_width)) {
        return padding;
    }
    return &window->image[((y * op->input_width) + x) * op->input_channels];
}

/*
 * Row ky of a window: in the image if it is entirely inside; `padding` if it is entirely outside;
 * else a copy in `copy`, with padding.
 */
static inline const int8_t *tflm_ext_window_row(const tflm_ext_conv_2d_tile_t *op,
                                                const tflm_ext_window_t *window, int32_t ky,
                                                const int8_t *padding, int8_t *copy)
{
    const int32_t channels = op->input_channels;
    const int32_t y = window->top + (ky * op->dilation_height);
    int8_t *to = copy;
    int32_t x = window->left;

    if ((y < 0) || (y >= op->input_height)) {
        return padding;
    }
    const int8_t *const row = &window->image[y * op->input_width * channels];
    if ((op->dilation_width == 1) && (x >= 0) && ((x + op->filter_width) <= op->input_width)) {
        return &row[x * channels];
    }
    for (int32_t kx = 0; kx < op->filter_width; ++kx) {
        const bool outside = (x < 0) || (x >= op->input_width);
        const int8_t *const tap = outside ? padding : &row[x * channels];
        for (int32_t channel = 0; channel < channels; ++channel) {
            to[channel] = tap[channel];
        }
        to = &to[channels];
        x += op->dilation_width;
    }
    return copy;
}

/*
 * Columns of three windows, row by row. `bytes` contains a row of padding, and has room for three
 * rows and for the remaining values of all rows.
 */
static inline void tflm_ext_conv_2d_tile_rows(const tflm_ext_conv_2d_tile_t *op,
                                              const tflm_ext_window_t *windows, bool inside,
                                              int8_t *bytes, uint32_t *columns)
{
    const int32_t size = op->filter_width * op->input_channels;
    const int32_t rest_quads = ((op->filter_height * op->row_rest) + 3) / 4;
    const int32_t row = op->input_width * op->input_channels;
    const int8_t *from[3];
    uint32_t *next = columns;
    int32_t rest_at = 4 * size;

    for (int32_t i = 0; inside && (i < 3); ++i) {
        const int32_t left = windows[i].left * op->input_channels;
        from[i] = &windows[i].image[(windows[i].top * row) + left];
    }
    for (int32_t ky = 0; ky < op->filter_height; ++ky) {
        for (int32_t i = 0; (!inside) && (i < 3); ++i) {
            from[i] = tflm_ext_window_row(op, &windows[i], ky, bytes, &bytes[(i + 1) * size]);
        }
        if (op->row_quads > 0) {
            next = tflm_ext_widen_3(from[0], from[1], from[2], next, op->row_quads);
        }
        for (int32_t i = 4 * op->row_quads; i < size; ++i) {
            bytes[rest_at] = from[0][i];
            bytes[rest_at + (4 * rest_quads)] = from[1][i];
            bytes[rest_at + (8 * rest_quads)] = from[2][i];
            ++rest_at;
        }
        for (int32_t i = 0; inside && ((ky + 1) < op->filter_height) && (i < 3); ++i) {
            from[i] = &from[i][op->dilation_height * row];
        }
    }
    if (rest_quads > 0) { /* anything not set here is multiplied by weights of zero */
        const int8_t *const rests = &bytes[4 * size];
        (void)tflm_ext_widen_3(rests, &rests[4 * rest_quads], &rests[8 * rest_quads], next,
                               rest_quads);
    }
}

/* Columns of pixels with a multiple of four channels, tap by tap. */
static inline void tflm_ext_conv_2d_tile_taps(const tflm_ext_conv_2d_tile_t *op,
                                              const tflm_ext_window_t *windows,
                                              const int8_t *padding, uint32_t *columns)
{
    uint32_t *next = columns;

    for (int32_t ky = 0; ky < op->filter_height; ++ky) {
        for (int32_t kx = 0; kx < op->filter_width; ++kx) {
            next = tflm_ext_widen_3(tflm_ext_window_tap(op, &windows[0], ky, kx, padding),
                                    tflm_ext_window_tap(op, &windows[1], ky, kx, padding),
                                    tflm_ext_window_tap(op, &windows[2], ky, kx, padding), next,
                                    op->input_channels / 4);
        }
    }
}

/* All filters on three columns. */
static inline void tflm_ext_conv_2d_tile_filters(const tflm_ext_tile_t *tile, int32_t filters,
                                                 const int32_t *stream, const uint32_t *columns,
                                                 int8_t *out)
{
    if (filters > 1) {
        tflm_ext_tile_2x3(stream, columns, out, tile);
    }
    if ((filters % 2) != 0) {
        tflm_ext_tile_1x3(tile->end, columns, &out[filters - 1], tile);
    }
}

typedef void (*tflm_ext_filters_t)(const tflm_ext_tile_t *tile, int32_t filters,
                                   const int32_t *stream, const uint32_t *columns, int8_t *out);

/*
 * `columns` has room for three columns. `bytes` has room for a pixel of padding or, if the channels
 * are not a multiple of four, for four rows of a filter and three times the remaining values of all
 * its rows. `all_filters` is called for all pixels, three at a time.
 */
static inline void tflm_ext_conv_2d_columns(const tflm_ext_conv_2d_tile_t *op, const int8_t *input,
                                            const int32_t *stream, const tflm_ext_tile_t *tile,
                                            tflm_ext_filters_t all_filters, int32_t *columns,
                                            int8_t *bytes, int8_t *output)
{
    const int32_t image = op->input_height * op->input_width * op->input_channels;
    const bool whole = (op->input_channels % 4) == 0;
    const int32_t padding = op->input_channels * (whole ? 1 : op->filter_width);
    uint32_t *const three = (uint32_t *)columns;
    /* Of the next window. */
    const int8_t *next = input;
    int32_t x = 0;
    int32_t y = 0;

    (void)memset(bytes, op->input_zero_point, (size_t)padding);
    for (int32_t done = 0; done < op->pixels; done += 3) {
        const int32_t first = ((done + 3) <= op->pixels) ? done : (op->pixels - 3);
        tflm_ext_window_t windows[3];

        if (first != done) { /* the last three pixels */
            const int32_t row = first / op->output_width;
            const int32_t batch = row / op->output_height;
            next = &input[batch * image];
            y = row - (batch * op->output_height);
            x = first - (row * op->output_width);
        }
        for (int32_t i = 0; i < 3; ++i) {
            windows[i].image = next;
            windows[i].top = (y * op->stride_height) - op->pad_top;
            windows[i].left = (x * op->stride_width) - op->pad_left;
            ++x;
            if (x == op->output_width) {
                x = 0;
                ++y;
                if (y == op->output_height) {
                    y = 0;
                    next = &next[image];
                }
            }
        }
        const bool inside = (op->dilation_width == 1) &&
                            tflm_ext_window_is_inside(op, &windows[0]) &&
                            tflm_ext_window_is_inside(op, &windows[1]) &&
                            tflm_ext_window_is_inside(op, &windows[2]);
        if (whole && !inside) {
            tflm_ext_conv_2d_tile_taps(op, windows, bytes, three);
        } else {
            tflm_ext_conv_2d_tile_rows(op, windows, inside, bytes, three);
        }
        all_filters(tile, op->output_channels, stream, three, &output[first * op->output_channels]);
    }
}

TFLM_EXT_SHARED static void tflm_ext_conv_2d_tile(const tflm_ext_conv_2d_tile_t *op,
                                                  const int8_t *input, const int32_t *stream,
                                                  int32_t *columns, int8_t *bytes, int8_t *output)
{
    const int32_t words = 2 * op->quads;
    const tflm_ext_tile_t tile = { &stream[(op->output_channels / 2) * ((2 * 2) + words)],
                                   op->quads, op->output_zero_point, op->output_channels };

    tflm_ext_conv_2d_columns(op, input, stream, &tile, &tflm_ext_conv_2d_tile_filters, columns,
                             bytes, output);
}

typedef struct {
    int32_t input_channels; /* a multiple of four */
    int32_t output_channels;
    int32_t pixels; /* at least three */
    int32_t output_zero_point;
} tflm_ext_conv_2d_pointwise_t;

/*
 * Puts the one or two pixels left over into the columns. Forward, they become the last columns and
 * the others move down; backward, they become the first columns and the others move up.
 */
static inline void tflm_ext_conv_2d_left_over(const int8_t *pixels, int32_t left, int32_t quads,
                                              bool forward, uint32_t *columns)
{
    for (int32_t quad = 0; quad < quads; ++quad) {
        uint32_t *const even = &columns[6 * quad];
        uint32_t *const odd = &even[3];
        for (int32_t i = 0; i < (3 - left); ++i) {
            const int32_t to = forward ? i : (2 - i);
            const int32_t from = to + (forward ? left : -left);
            even[to] = even[from];
            odd[to] = odd[from];
        }
        for (int32_t i = 0; i < left; ++i) {
            const uint32_t word = tflm_ext_load_word(&pixels[4 * ((i * quads) + quad)]);
            const int32_t to = forward ? ((3 - left) + i) : i;
            even[to] = tflm_ext_sxtb16(word);
            odd[to] = tflm_ext_sxtb16_ror8(word);
        }
    }
}

/*
 * Filters of 1 x 1 with stride 1: the columns are the pixels. The order is forward if the output
 * has no more channels than the input, else backward, so that the output may begin at the address
 * of the input: pixels are read before they are overwritten. The pixels left over are combined with
 * columns of the pixels before them.
 */
TFLM_EXT_SHARED static void tflm_ext_conv_2d_pointwise(const tflm_ext_conv_2d_pointwise_t *op,
                                                       const int8_t *input, const int32_t *stream,
                                                       int32_t *columns, int8_t *output)
{
    const int32_t depth = op->input_channels;
    const int32_t filters = op->output_channels;
    const int32_t quads = depth / 4;
    const int32_t left = op->pixels % 3;
    const bool forward = filters <= depth;
    uint32_t *const three = (uint32_t *)columns;
    const tflm_ext_tile_t tile = { &stream[(filters / 2) * ((2 * 2) + (2 * quads))], quads,
                                   op->output_zero_point, filters };

    for (int32_t done = 0; (done + 3) <= op->pixels; done += 3) {
        const int32_t first = forward ? done : ((op->pixels - 3) - done);
        const int8_t *const pixel = &input[first * depth];
        (void)tflm_ext_widen_3(pixel, &pixel[depth], &pixel[2 * depth], three, quads);
        tflm_ext_conv_2d_tile_filters(&tile, filters, stream, three, &output[first * filters]);
    }
    if (left > 0) {
        const int8_t *const pixels = forward ? &input[(op->pixels - left) * depth] : input;
        int8_t *const out = forward ? &output[(op->pixels - 3) * filters] : output;
        tflm_ext_conv_2d_left_over(pixels, left, quads, forward, three);
        tflm_ext_conv_2d_tile_filters(&tile, filters, stream, three, out);
    }
}

#endif
