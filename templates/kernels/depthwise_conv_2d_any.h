/* SPDX-License-Identifier: 0BSD */
/*
 * DEPTHWISE_CONV_2D like depthwise_conv_2d_lines.h, for any bias and scale: those that its two
 * numbers cannot hold, like scales of 1/2 or more. The table has bias, multiplier and shift of a
 * channel behind its taps.
 */
#ifndef TFLM_EXT_DEPTHWISE_CONV_2D_ANY_H
#define TFLM_EXT_DEPTHWISE_CONV_2D_ANY_H

#include <stdint.h>

#include "arithmetic.h"
#include "depthwise_conv_2d_lines.h"
#include "depthwise_pack.h"
#include "dsp.h"

static inline const int32_t *tflm_ext_depthwise_expand_any(const int32_t *table, int32_t words,
                                                           int32_t *taps)
{
    const int32_t *const numbers = tflm_ext_depthwise_taps(table, words, taps);

    for (int32_t i = 0; i < 3; ++i) {
        taps[words + i] = numbers[i];
    }
    return &numbers[3];
}

TFLM_EXT_SHARED static void tflm_ext_depthwise_four_any(const int32_t *taps, const int32_t *lines,
                                               int8_t *out,
                                               const tflm_ext_depthwise_fours_t *fours,
                                               const uint32_t *start)
{
    const int32_t *const numbers = &taps[fours->rows * fours->pairs];

    for (int32_t i = 0; i < (4 * fours->fours); ++i) {
        const uint32_t sum =
            tflm_ext_depthwise_sum(taps, lines, fours, &start[(i * fours->column) / 4]);
        const int32_t scaled =
            tflm_ext_requantize((int32_t)sum + numbers[0], numbers[1], numbers[2]);
        out[i * fours->pixel] = (int8_t)tflm_ext_ssat8(scaled + fours->zero_point);
    }
}

typedef tflm_ext_depthwise_conv_2d_lines_t tflm_ext_depthwise_conv_2d_any_t;

TFLM_EXT_SHARED static void
tflm_ext_depthwise_conv_2d_any(const tflm_ext_depthwise_conv_2d_any_t *op, const int8_t *input,
                               const int32_t *table, int32_t *words, int8_t *output)
{
    tflm_ext_depthwise_lines(op, input, table, words, output, 3, &tflm_ext_depthwise_expand_any,
                             &tflm_ext_depthwise_four_any);
}

#endif
