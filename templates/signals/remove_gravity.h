/* SPDX-License-Identifier: 0BSD */
/*
 * Removes gravity from acceleration: a high-pass of first order that takes the first sample for
 * gravity, so that it need not find it from zero.
 */
#ifndef TFLM_EXT_REMOVE_GRAVITY_H
#define TFLM_EXT_REMOVE_GRAVITY_H

#include <stdint.h>

#include "wide.h"

#define TFLM_EXT_GRAVITY_BITS 13 /* fraction bits of what is left */

typedef struct {
    int32_t channels;
    int32_t gain;  /* of samples, times 2^13 */
    int32_t share; /* of the difference that gravity moves with every sample, times 2^32 */
} tflm_ext_remove_gravity_t;

/* `gravity` is gain * gravity, times 2^32, of each channel; `started` is 0 before any sample. */
static inline uint32_t tflm_ext_remove_gravity(const tflm_ext_remove_gravity_t *op,
                                               const int16_t *input, uint32_t count,
                                               int64_t *gravity, int32_t *started, int16_t *output)
{
    if ((*started == 0) && (count > 0U)) {
        for (int32_t channel = 0; channel < op->channels; ++channel) {
            const int32_t first = input[channel] * op->gain;
            gravity[channel] = (int64_t)first * ((int64_t)1 << 32);
        }
        *started = 1;
    }
    for (int32_t channel = 0; channel < op->channels; ++channel) {
        const int16_t *sample = &input[channel];
        int16_t *left = &output[channel];
        int64_t own = gravity[channel];

        for (uint32_t i = 0U; i < count; ++i) {
            const int32_t high = (*sample * op->gain) - tflm_ext_upper(own);

            own = tflm_ext_wide_sum(own, op->share, high);
            *left = tflm_ext_rounded16(high, TFLM_EXT_GRAVITY_BITS);
            sample = &sample[op->channels];
            left = &left[op->channels];
        }
        gravity[channel] = own;
    }
    return count;
}

#endif
