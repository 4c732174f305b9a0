/* SPDX-License-Identifier: 0BSD */
/* Pixels of 8 bits as int8, -128 for black. */
#ifndef TFLM_EXT_IMAGE_INT8_H
#define TFLM_EXT_IMAGE_INT8_H

#include <stdint.h>

typedef struct {
    int32_t count; /* values of the result */
} tflm_ext_image_int8_t;

typedef tflm_ext_image_int8_t tflm_ext_image_grey_t;

/* Every value. */
static inline void tflm_ext_image_int8(const tflm_ext_image_int8_t *op, const uint8_t *input,
                                       int8_t *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        output[i] = (int8_t)(input[i] - 128);
    }
}

/*
 * The brightness of pixels of red, green and blue: 0.299, 0.587 and 0.114 of them (ITU-R BT.601),
 * rounded to nearest, halves up.
 */
static inline void tflm_ext_image_grey(const tflm_ext_image_grey_t *op, const uint8_t *input,
                                       int8_t *output)
{
    for (int32_t i = 0; i < op->count; ++i) {
        const int32_t sum = (9798 * input[0]) + (19235 * input[1]) + (3735 * input[2]);

        output[i] = (int8_t)(((sum + 16384) >> 15) - 128);
        input = &input[3];
    }
}

#endif
