/* SPDX-License-Identifier: 0BSD */
/*
 * RESIZE_NEAREST_NEIGHBOR of int8 images [batch][y][x][channel]: every pixel is a copy of one of
 * the input. A row that equals the one before is copied as a whole.
 */
#ifndef TFLM_EXT_RESIZE_NEAREST_NEIGHBOR_H
#define TFLM_EXT_RESIZE_NEAREST_NEIGHBOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    int32_t batches;
    int32_t image;   /* bytes of an input image */
    int32_t rows;    /* of the output */
    int32_t columns; /* of the output */
    int32_t pixel;   /* bytes */
} tflm_ext_resize_nearest_neighbor_t;

/*
 * rows, columns: where each row of the output begins in an input image, and each pixel in that row;
 * rows never descend. Input and output may overlap if no pixel is read after it is overwritten.
 */
static inline void tflm_ext_resize_nearest_neighbor(const tflm_ext_resize_nearest_neighbor_t *op,
                                                    const int8_t *input, const int32_t *rows,
                                                    const int32_t *columns, int8_t *output)
{
    const int32_t row_bytes = op->columns * op->pixel;
    const int8_t *image = input;
    int8_t *target = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        const int8_t *previous = target;
        for (int32_t y = 0; y < op->rows; ++y) {
            if ((y > 0) && (rows[y] == rows[y - 1])) {
                (void)memcpy(target, previous, (size_t)row_bytes);
            } else {
                const int8_t *row = &image[rows[y]];
                for (int32_t x = 0; x < op->columns; ++x) {
                    (void)memmove(&target[x * op->pixel], &row[columns[x]], (size_t)op->pixel);
                }
            }
            previous = target;
            target = &target[row_bytes];
        }
        image = &image[op->image];
    }
}

#endif
