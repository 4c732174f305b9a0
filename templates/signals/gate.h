/* SPDX-License-Identifier: 0BSD */
/* Passes frames whose samples deviate from their mean, and some frames after each. */
#ifndef TFLM_EXT_GATE_H
#define TFLM_EXT_GATE_H

#include <stdbool.h>

#include "statistics.h"

typedef struct {
    int32_t length; /* samples of a channel */
    int32_t channels;
    uint32_t threshold_high; /* of the sum of squared deviations, over all channels */
    uint32_t threshold_low;
    uint32_t hold; /* frames that pass after one that reaches the threshold */
} tflm_ext_gate_t;

/* Whether the frame passes; `left` counts the frames that still do. */
static inline bool tflm_ext_gate(const tflm_ext_gate_t *op, const int16_t *input, uint32_t *left)
{
    const uint64_t threshold = ((uint64_t)op->threshold_high << 32) | op->threshold_low;
    uint64_t spread = 0U;

    for (int32_t channel = 0; channel < op->channels; ++channel) {
        tflm_ext_statistics_sums_t sums = { 0 };

        tflm_ext_statistics_add(op->length, op->channels, &input[channel], &sums);
        spread +=
            (uint64_t)((op->length * sums.squares) - (sums.sum * sums.sum)) / (uint32_t)op->length;
    }
    if (spread >= threshold) {
        *left = op->hold;
        return true;
    }
    if (*left > 0U) {
        --*left;
        return true;
    }
    return false;
}

#endif
