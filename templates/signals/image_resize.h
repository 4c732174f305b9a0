/* SPDX-License-Identifier: 0BSD */
/* Images of 8 bits in another size. */
#ifndef TFLM_EXT_IMAGE_RESIZE_H
#define TFLM_EXT_IMAGE_RESIZE_H

#include <stdint.h>

typedef struct {
    int32_t rows;     /* of the new image */
    int32_t columns;  /* of the new image */
    int32_t channels; /* of both */
    int32_t stride;   /* bytes of a row of the old image */
} tflm_ext_image_nearest_t;

typedef struct {
    int32_t rows;     /* of the new image */
    int32_t columns;  /* of the new image */
    int32_t channels; /* of both */
    int32_t stride;   /* bytes of a row of the old image */
    int32_t below;    /* bytes to the next row of the old image, 0 if it has one row */
    int32_t right;    /* bytes to the next pixel of the old image, 0 if it has one column */
} tflm_ext_image_bilinear_t;

/*
 * The nearest pixel of the old image. `row_positions` has its row, `column_positions` where it
 * begins in the row.
 */
static inline void tflm_ext_image_nearest(const tflm_ext_image_nearest_t *op, const uint8_t *input,
                                          const int16_t *row_positions,
                                          const int16_t *column_positions, uint8_t *output)
{
    for (int32_t row = 0; row < op->rows; ++row) {
        const uint8_t *const line = &input[row_positions[row] * op->stride];

        for (int32_t column = 0; column < op->columns; ++column) {
            const uint8_t *const pixel = &line[column_positions[column]];

            for (int32_t channel = 0; channel < op->channels; ++channel) {
                *output = pixel[channel];
                ++output;
            }
        }
    }
}

/*
 * The mean of four pixels. `row_positions` has the upper row and the weight of the lower one,
 * `column_positions` where the left pixel begins and the weight of the right one. Weights are times
 * 2^11, so sums are below 2^30. The mean is rounded to nearest, halves up.
 */
static inline void tflm_ext_image_bilinear(const tflm_ext_image_bilinear_t *op,
                                           const uint8_t *input, const int16_t *row_positions,
                                           const int16_t *column_positions, uint8_t *output)
{
    for (int32_t row = 0; row < op->rows; ++row) {
        const uint8_t *const upper = &input[row_positions[2 * row] * op->stride];
        const uint8_t *const lower = &upper[op->below];
        const int32_t low = row_positions[(2 * row) + 1];
        const int32_t high = 2048 - low;

        for (int32_t column = 0; column < op->columns; ++column) {
            const int32_t right = column_positions[(2 * column) + 1];
            const int32_t left = 2048 - right;
            int32_t at = column_positions[2 * column];

            for (int32_t channel = 0; channel < op->channels; ++channel) {
                const int32_t first = (upper[at] * high) + (lower[at] * low);
                const int32_t second =
                    (upper[at + op->right] * high) + (lower[at + op->right] * low);

                *output = (uint8_t)(((first * left) + (second * right) + (1 << 21)) >> 22);
                ++output;
                ++at;
            }
        }
    }
}

#endif
