/* SPDX-License-Identifier: 0BSD */
/* Rows of the cosine transform (DCT-II) of int16 values. */
#ifndef TFLM_EXT_MFCC_H
#define TFLM_EXT_MFCC_H

#include "arithmetic.h"
#include "pairs.h"

typedef struct {
    int32_t bands;
    int32_t coefficients;
    int32_t shift; /* fraction bits of the rows; every sum of products fits */
} tflm_ext_mfcc_t;

static inline void tflm_ext_mfcc(const tflm_ext_mfcc_t *op, const int16_t *input,
                                 const int16_t *rows, int16_t *output)
{
    const int32_t bands = op->bands;

    for (int32_t i = 0; i < op->coefficients; ++i) {
        const int16_t *const row = &rows[i * bands];
        uint32_t sum = (uint32_t)1 << (uint32_t)(op->shift - 1);

        for (int32_t band = 0; band < (bands - 1); band += 2) {
            sum = tflm_ext_smlad(tflm_ext_load_pair(&input[band]), tflm_ext_load_pair(&row[band]),
                                 sum);
        }
        if ((bands & 1) != 0) {
            sum += (uint32_t)((int32_t)input[bands - 1] * row[bands - 1]);
        }
        output[i] = (int16_t)tflm_ext_clamp((int32_t)sum >> op->shift, -32768, 32767);
    }
}

#endif
