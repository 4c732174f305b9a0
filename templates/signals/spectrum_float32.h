/* SPDX-License-Identifier: 0BSD */
/* The power of bands of each channel of a frame, in float32. */
#ifndef TFLM_EXT_SPECTRUM_FLOAT32_H
#define TFLM_EXT_SPECTRUM_FLOAT32_H

#include <string.h>

#include "fft_float.h"
#include "float_root.h"

typedef struct {
    tflm_ext_fft_float_t fft;
    int32_t segments;
    int32_t step;  /* from a segment to the next */
    int32_t bands; /* 0: each bin is one, and there is one segment */
    int32_t form;  /* 0: powers, 1: their roots, 2: decibels */
} tflm_ext_spectrum_float32_t;

/* log2 of a positive number that is not denormal. */
static inline float tflm_ext_float_log2(float x)
{
    static const float factors[] = { 0.2342098504304886f,  -0.24882180988788605f,
                                     0.28707560896873474f, -0.36024197936058044f,
                                     0.4809240400791168f,  -0.721352756023407f,
                                     1.442694902420044f };
    float found = -0.14620353281497955f;
    float f;
    int32_t bits;

    /* x is 2^whole * (1 + f), where 1 + f is from the root of 1/2 to that of 2. */
    (void)memcpy(&bits, &x, sizeof bits);
    bits -= 0x3F3504F3;
    const float whole = (float)(bits >> 23);
    bits = (bits & 0x7FFFFF) + 0x3F3504F3;
    (void)memcpy(&f, &bits, sizeof f);
    f -= 1.0f;
    for (uint32_t i = 0U; i < (sizeof factors / sizeof factors[0]); ++i) {
        found = tflm_ext_add_product(factors[i], found, f);
    }
    return tflm_ext_add_product(whole, f, found);
}

/* A power as result; `levels` has the smallest power for decibels, and those of a doubled power. */
static inline float tflm_ext_spectrum_result(const tflm_ext_spectrum_float32_t *op, float power,
                                             const float *levels)
{
    if (op->form == 0) {
        return power;
    }
    if (op->form == 1) {
        return tflm_ext_float_root(power);
    }
    return tflm_ext_product(tflm_ext_float_log2((power > levels[0]) ? power : levels[0]),
                            levels[1]);
}

static inline void tflm_ext_spectrum_float32(const tflm_ext_spectrum_float32_t *op,
                                             const int16_t *input, const float *window,
                                             const int16_t *order, const float *turns,
                                             const float *split, const int16_t *edges,
                                             const float *levels, float *z, float *output)
{
    const int32_t half = op->fft.half;
    const int32_t count = (op->bands == 0) ? (half + 1) : op->bands;

    for (int32_t channel = 0; channel < op->fft.channels; ++channel) {
        float *const own = &output[channel * count];

        for (int32_t band = 0; band < op->bands; ++band) {
            own[band] = 0.0f;
        }
        for (int32_t segment = 0; segment < op->segments; ++segment) {
            const int16_t *const samples =
                &input[(segment * op->step * op->fft.channels) + channel];

            tflm_ext_float_fft(&op->fft, samples, window, order, turns, z);
            if (op->bands == 0) {
                tflm_ext_float_split(half, split, z, own, 1);
            } else {
                tflm_ext_float_split(half, split, z, z, 2);
            }
            for (int32_t band = 0; band < op->bands; ++band) {
                float sum = own[band];

                for (int32_t k = edges[band]; k < edges[band + 1]; ++k) {
                    sum += z[2 * k];
                }
                own[band] = sum;
            }
        }
        for (int32_t i = 0; (op->form != 0) && (i < count); ++i) {
            own[i] = tflm_ext_spectrum_result(op, own[i], levels);
        }
    }
}

#endif
