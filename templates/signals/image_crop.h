/* SPDX-License-Identifier: 0BSD */
/* A part of an image of 8 bits. */
#ifndef TFLM_EXT_IMAGE_CROP_H
#define TFLM_EXT_IMAGE_CROP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    int32_t first;  /* bytes before the part */
    int32_t stride; /* bytes of a row of the image */
    int32_t rows;   /* of the part */
    int32_t row;    /* bytes of a row of the part */
} tflm_ext_image_crop_t;

static inline void tflm_ext_image_crop(const tflm_ext_image_crop_t *op, const uint8_t *input,
                                       uint8_t *output)
{
    for (int32_t row = 0; row < op->rows; ++row) {
        (void)memcpy(&output[row * op->row], &input[op->first + (row * op->stride)],
                     (size_t)op->row);
    }
}

#endif
