/* SPDX-License-Identifier: 0BSD */
/*
 * BATCH_MATMUL: products of two sets of int8 matrices.
 *
 * Strides are in elements. They describe how the operands are stored, so that a transposed operand
 * is read in place; a batch stride of 0 uses the same matrix for every batch.
 */
#ifndef TFLM_EXT_BATCH_MATMUL_H
#define TFLM_EXT_BATCH_MATMUL_H

#include <stdint.h>

#include "arithmetic.h"

typedef struct {
    int32_t batches[3];
    int32_t left_batch_strides[3];
    int32_t right_batch_strides[3];
    int32_t rows;    /* of the left operand and of the output */
    int32_t columns; /* of the right operand and of the output */
    int32_t depth;   /* columns of the left and rows of the right operand */
    int32_t left_row_stride;
    int32_t left_depth_stride;
    int32_t right_column_stride;
    int32_t right_depth_stride;
    int32_t left_zero_point;
    int32_t right_zero_point;
    int32_t output_zero_point;
    int32_t multiplier;
    int32_t shift;
} tflm_ext_batch_matmul_t;

/* One product of two matrices. */
static inline void tflm_ext_batch_matmul_one(const tflm_ext_batch_matmul_t *op, const int8_t *left,
                                             const int8_t *right, int8_t *output)
{
    for (int32_t i = 0; i < op->rows; ++i) {
        for (int32_t j = 0; j < op->columns; ++j) {
            const int8_t *row = &left[i * op->left_row_stride];
            const int8_t *column = &right[j * op->right_column_stride];
            int32_t sum = 0;

            for (int32_t k = 0; k < op->depth; ++k) {
                sum += ((int32_t)row[k * op->left_depth_stride] - op->left_zero_point) *
                       ((int32_t)column[k * op->right_depth_stride] - op->right_zero_point);
            }
            const int32_t scaled =
                tflm_ext_requantize(sum, op->multiplier, op->shift) + op->output_zero_point;
            output[(i * op->columns) + j] = (int8_t)tflm_ext_clamp(scaled, INT8_MIN, INT8_MAX);
        }
    }
}

static inline void tflm_ext_batch_matmul(const tflm_ext_batch_matmul_t *op, const int8_t *left,
                                         const int8_t *right, int8_t *output)
{
    int8_t *out = output;

    for (int32_t a = 0; a < op->batches[0]; ++a) {
        for (int32_t b = 0; b < op->batches[1]; ++b) {
            for (int32_t c = 0; c < op->batches[2]; ++c) {
                const int32_t left_offset = (a * op->left_batch_strides[0]) +
                                            (b * op->left_batch_strides[1]) +
                                            (c * op->left_batch_strides[2]);
                const int32_t right_offset = (a * op->right_batch_strides[0]) +
                                             (b * op->right_batch_strides[1]) +
                                             (c * op->right_batch_strides[2]);
                tflm_ext_batch_matmul_one(op, &left[left_offset], &right[right_offset], out);
                out = &out[op->rows * op->columns];
            }
        }
    }
}

#endif
