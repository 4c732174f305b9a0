/* SPDX-License-Identifier: 0BSD */
/*
 * The column of FULLY_CONNECTED: int8 widened to int16, in the order of matrix_tile.h.
 */
#ifndef TFLM_EXT_WIDEN_H
#define TFLM_EXT_WIDEN_H

#include <stdint.h>

#include "dsp.h"

/* Converts bytes to a column of int16, filled up with zeros. */
static inline void tflm_ext_widen_1(const int8_t *bytes, int32_t size, uint32_t *column,
                                    int32_t words)
{
    int32_t at = 0;

    for (; ((2 * at) + 4) <= size; at += 2) {
        const uint32_t word = tflm_ext_load_word(&bytes[2 * at]);
        column[at] = tflm_ext_sxtb16(word);
        column[at + 1] = tflm_ext_sxtb16_ror8(word);
    }
    if (at < words) {
        int8_t rest[4] = { 0, 0, 0, 0 };
        for (int32_t i = 2 * at; i < size; ++i) {
            rest[i - (2 * at)] = bytes[i];
        }
        column[at] = tflm_ext_sxtb16(tflm_ext_load_word(rest));
        column[at + 1] = tflm_ext_sxtb16_ror8(tflm_ext_load_word(rest));
        for (at += 2; at < words; ++at) {
            column[at] = 0U;
        }
    }
}

#endif
