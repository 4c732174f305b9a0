/* SPDX-License-Identifier: 0BSD */
/*
 * FULLY_CONNECTED: every row of the input times a matrix of int8 weights.
 *
 * Layouts: input [row][input], weights [output][input], output [row][output]. The bias already
 * includes the contribution of the input's zero point: bias - zero_point * sum of weights.
 */
#ifndef TFLM_EXT_FULLY_CONNECTED_H
#define TFLM_EXT_FULLY_CONNECTED_H

#include <stdint.h>

#include "arithmetic.h"

/* One multiplier for all outputs. */
typedef struct {
    int32_t rows;
    int32_t input_size;
    int32_t output_size;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
    int32_t multiplier;
    int32_t shift;
} tflm_ext_fully_connected_t;

/* A multiplier for each output, in tables. */
typedef struct {
    int32_t rows;
    int32_t input_size;
    int32_t output_size;
    int32_t output_zero_point;
    int32_t output_min;
    int32_t output_max;
} tflm_ext_fully_connected_per_channel_t;

/* Sum of the products of two rows of int8. */
static inline int32_t tflm_ext_dot(const int8_t *a, const int8_t *b, int32_t size)
{
    int32_t sum = 0;

    for (int32_t i = 0; i < size; ++i) {
        sum += (int32_t)a[i] * (int32_t)b[i];
    }
    return sum;
}

static inline void tflm_ext_fully_connected(const tflm_ext_fully_connected_t *op,
                                            const int8_t *input, const int8_t *weights,
                                            const int32_t *bias, int8_t *output)
{
    for (int32_t row = 0; row < op->rows; ++row) {
        const int8_t *in = &input[row * op->input_size];
        int8_t *out = &output[row * op->output_size];
        for (int32_t c = 0; c < op->output_size; ++c) {
            const int32_t sum =
                bias[c] + tflm_ext_dot(in, &weights[c * op->input_size], op->input_size);
            const int32_t scaled =
                tflm_ext_requantize(sum, op->multiplier, op->shift) + op->output_zero_point;
            out[c] = (int8_t)tflm_ext_clamp(scaled, op->output_min, op->output_max);
        }
    }
}

static inline void tflm_ext_fully_connected_per_channel(
    const tflm_ext_fully_connected_per_channel_t *op, const int8_t *input, const int8_t *weights,
    const int32_t *bias, const int32_t *multipliers, const int8_t *shifts, int8_t *output)
{
    for (int32_t row = 0; row < op->rows; ++row) {
        const int8_t *in = &input[row * op->input_size];
        int8_t *out = &output[row * op->output_size];
        for (int32_t c = 0; c < op->output_size; ++c) {
            const int32_t sum =
                bias[c] + tflm_ext_dot(in, &weights[c * op->input_size], op->input_size);
            const int32_t scaled =
                tflm_ext_requantize(sum, multipliers[c], shifts[c]) + op->output_zero_point;
            out[c] = (int8_t)tflm_ext_clamp(scaled, op->output_min, op->output_max);
        }
    }
}

#endif
