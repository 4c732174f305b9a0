/* SPDX-License-Identifier: 0BSD */
/*
 * CONV_2D as a product of matrices: the windows of three output pixels become columns of int16,
 * and filters run over them two at a time; see matrix_tile.h.
 *
 * Layouts: input [batch][y][x][channel], output [batch][y][x][output channel]; a column has the
 * order [y][x][channel] of a filter. Taps outside the image have the value of the zero point, whose
 * share of the sums is part of the bias. The last three pixels may repeat pixels before them.
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
    int32_t pixels; /* of the output, at least three */
    int32_t quads;     /* four values each, of a column */
    int32_t row_quads; /* of a filter's row; 0 if it is no whole number or dilated */
    int32_t input_zero_point;
    int32_t output_zero_point;
} tflm_ext_conv_2d_tile_t;

/* Where the window of an output pixel begins. */
typedef struct {
    const int8_t *image;
    int32_t top;
    int32_t left;
} tflm_ext_window_t;

/* Bytes of three pixels to columns of int16; what lies behind the columns. */
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

/* Whether all taps of a window lie in the image. */
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

/* Columns of windows inside the image, whose rows are whole quads; false if one is not inside. */
static inline bool tflm_ext_conv_2d_tile_rows(const tflm_ext_conv_2d_tile_t *op,
                                              const tflm_ext_window_t *windows, uint32_t *columns)
{
    const int32_t row = op->dilation_height * op->input_width * op->input_channels;
    const int8_t *from[3];
    uint32_t *next = columns;

    for (int32_t i = 0; i < 3; ++i) {
        const tflm_ext_window_t *const window = &windows[i];
        if (!tflm_ext_window_is_inside(op, window)) {
            return false;
        }
        from[i] = &window->image[((window->top * op->input_width) + window->left) *
                                 op->input_channels];
    }
    for (int32_t ky = 0; ky < op->filter_height; ++ky) {
        const int32_t at = ky * row;
        next = tflm_ext_widen_3(&from[0][at], &from[1][at], &from[2][at], next, op->row_quads);
    }
    return true;
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

/* Bytes of a window's row that lie in the image, between bytes of padding. */
typedef struct {
    int32_t before;
    int32_t inside;
    int32_t size;
} tflm_ext_run_t;

/* A row of a window: `from` is its first byte inside the image, NULL for a row of padding. */
static inline void tflm_ext_patch_row(const tflm_ext_run_t *run, const int8_t *from, int8_t padding,
                                      int8_t *to)
{
    int32_t i = 0;

    if (from == NULL) {
        for (; i < run->size; ++i) {
            to[i] = padding;
        }
        return;
    }
    for (; i < run->before; ++i) {
        to[i] = padding;
    }
    for (int32_t k = 0; k < run->inside; ++k) {
        to[i] = from[k];
        ++i;
    }
    for (; i < run->size; ++i) {
        to[i] = padding;
    }
}

/*
 * The bytes of a window, as they lie in a filter; `end` is that of the input. Rows are copied by
 * words where that reads nothing behind the input: what is written too much comes before the next
 * row, or before the last quad is filled up.
 */
static inline void tflm_ext_conv_2d_tile_patch(const tflm_ext_conv_2d_tile_t *op,
                                               const tflm_ext_window_t *window, const int8_t *end,
                                               int8_t *patch)
{
    const int32_t channels = op->input_channels;
    const int32_t size = op->filter_width * channels;
    const int32_t row = op->dilation_height * op->input_width * channels;
    int8_t *to = patch;

    if (op->dilation_width != 1) {
        for (int32_t ky = 0; ky < op->filter_height; ++ky) {
            for (int32_t kx = 0; kx < op->filter_width; ++kx) {
                const int8_t *const tap = tflm_ext_window_tap(op, window, ky, kx, NULL);
                const tflm_ext_run_t run = { 0, channels, channels };
                tflm_ext_patch_row(&run, tap, (int8_t)op->input_zero_point, to);
                to = &to[channels];
            }
        }
    } else {
        const int32_t first = ((window->top * op->input_width) + window->left) * channels;
        const int32_t last = first + ((op->filter_height - 1) * row) + size;
        if (tflm_ext_window_is_inside(op, window) && ((end - window->image) >= (last + 3))) {
            const int8_t *from = &window->image[first];
            for (int32_t ky = 0; ky < op->filter_height; ++ky) {
                for (int32_t i = 0; i < size; i += 4) {
                    (void)memcpy(&to[i], &from[i], 4U);
                }
                to = &to[size];
                from = &from[row];
            }
        } else {
            const int32_t width = op->filter_width;
            const int32_t before = (window->left < 0) ? -window->left : 0;
            const int32_t behind = (window->left + width) - op->input_width;
            const int32_t inside = (width - before) - ((behind > 0) ? behind : 0);
            const tflm_ext_run_t run = { before * channels, inside * channels, size };
            for (int32_t ky = 0; ky < op->filter_height; ++ky) {
                const int32_t y = window->top + (ky * op->dilation_height);
                const bool outside = (y < 0) || (y >= op->input_height) || (inside <= 0);
                const int32_t x = window->left + before;
                const int32_t at = outside ? 0 : (((y * op->input_width) + x) * channels);
                tflm_ext_patch_row(&run, outside ? NULL : &window->image[at],
                                   (int8_t)op->input_zero_point, to);
                to = &to[size];
            }
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

/*
 * `columns` has room for three columns; behind it, `bytes` for a pixel of padding and, where the
 * channels are no multiple of four, for three patches of whole quads and three bytes more.
 */
TFLM_EXT_SHARED static void
tflm_ext_conv_2d_tile(const tflm_ext_conv_2d_tile_t *op, const int8_t *input, const int32_t *stream,
                      int32_t *columns, int8_t *bytes, int8_t *output)
{
    const int32_t words = 2 * op->quads;
    const int32_t image = op->input_height * op->input_width * op->input_channels;
    const int32_t patch = 4 * op->quads;
    const int32_t filter = op->filter_height * op->filter_width * op->input_channels;
    const bool whole = (op->input_channels % 4) == 0;
    const int8_t *const end =
        &input[(op->pixels / (op->output_height * op->output_width)) * image];
    const tflm_ext_tile_t tile = { &stream[(op->output_channels / 2) * ((2 * 3) + words)],
                                   op->quads, op->output_channels, op->output_zero_point };
    int8_t *const patches = &bytes[op->input_channels];
    uint32_t *const three = (uint32_t *)columns;
    /* Of the next window. */
    const int8_t *next = input;
    int32_t x = 0;
    int32_t y = 0;

    (void)memset(bytes, op->input_zero_point, (size_t)op->input_channels);
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
        if ((op->row_quads > 0) && tflm_ext_conv_2d_tile_rows(op, windows, three)) {
            /* all three windows lie inside */
        } else if (whole) {
            tflm_ext_conv_2d_tile_taps(op, windows, bytes, three);
        } else {
            for (int32_t i = 0; i < 3; ++i) {
                tflm_ext_conv_2d_tile_patch(op, &windows[i], end, &patches[i * patch]);
            }
            for (int32_t i = 0; i < 3; ++i) {
                for (int32_t k = filter; k < patch; ++k) {
                    patches[(i * patch) + k] = 0;
                }
            }
            (void)tflm_ext_widen_3(patches, &patches[patch], &patches[2 * patch], three, op->quads);
        }
        tflm_ext_conv_2d_tile_filters(&tile, op->output_channels, stream, three,
                                      &output[first * op->output_channels]);
    }
}

typedef struct {
    int32_t input_channels; /* a multiple of four */
    int32_t output_channels;
    int32_t pixels; /* at least three */
    int32_t output_zero_point;
} tflm_ext_conv_2d_pointwise_t;

/*
 * The pixels that are left over, fewer than three, in the place of as many columns. Going forward
 * they become the last ones and the others move down, going backward it is the other way round.
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
 * A filter of 1 x 1 at stride 1: the columns are the pixels. With no more channels than before they
 * go forward, else backward, so that the output may begin where the input does: what is overwritten
 * was read. Pixels left over make up three with columns of those before.
 */
TFLM_EXT_SHARED static void
tflm_ext_conv_2d_pointwise(const tflm_ext_conv_2d_pointwise_t *op, const int8_t *input,
                           const int32_t *stream, int32_t *columns, int8_t *output)
{
    const int32_t depth = op->input_channels;
    const int32_t filters = op->output_channels;
    const int32_t quads = depth / 4;
    const int32_t left = op->pixels % 3;
    const bool forward = filters <= depth;
    uint32_t *const three = (uint32_t *)columns;
    const tflm_ext_tile_t tile = { &stream[(filters / 2) * ((2 * 3) + (2 * quads))], quads, filters,
                                   op->output_zero_point };

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
