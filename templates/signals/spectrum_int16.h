/* SPDX-License-Identifier: 0BSD */
/*
 * The power of bands of each channel of a frame, by the Fourier transform of int16 samples. Samples
 * are shifted left as far as the largest of the channel allows.
 */
#ifndef TFLM_EXT_SPECTRUM_INT16_H
#define TFLM_EXT_SPECTRUM_INT16_H

#include "arithmetic.h"
#include "fft_int16.h"
#include "float_root.h"
#include "signal_arithmetic.h"

typedef struct {
    int32_t frame; /* samples of a channel */
    int32_t channels;
    int32_t zero_point;       /* of the samples */
    int32_t length;           /* samples of a segment; zeros follow up to 2 * half */
    int32_t half;             /* half the points of the transform */
    tflm_ext_fft_int16_t fft; /* the complex transform */
    int32_t segments;
    int32_t step; /* from a segment to the next */
    int32_t bands;
} tflm_ext_spectrum_t;

typedef struct {
    tflm_ext_spectrum_t spectrum;
    int32_t offset; /* log2 of the power that a sum of 1 stands for, times 2^16 */
    int32_t least;  /* smallest result */
} tflm_ext_spectrum_levels_t;

typedef struct {
    tflm_ext_spectrum_t spectrum;
    int32_t root; /* 1: magnitudes instead of powers */
} tflm_ext_spectrum_powers_t;

/* A sample of a channel. */
static inline int32_t tflm_ext_spectrum_sample(const tflm_ext_spectrum_t *op, const int16_t *input,
                                               int32_t i)
{
    const int32_t sample = input[i * op->channels];

    return (op->zero_point == 0) ? sample : tflm_ext_clamp(sample - op->zero_point, -32768, 32767);
}

/* The bits by which all samples of a channel can be shifted left; 15 if they are 0. */
static inline int32_t tflm_ext_spectrum_bits(const tflm_ext_spectrum_t *op, const int16_t *input)
{
    uint32_t magnitudes = 0U;

    for (int32_t i = 0; i < op->frame; ++i) {
        const int32_t sample = tflm_ext_spectrum_sample(op, input, i);
        magnitudes |= (uint32_t)((sample < 0) ? -sample : sample);
    }
    return tflm_ext_max(15 - tflm_ext_bit_length(magnitudes), 0);
}

/* A sample, shifted and weighted; 0 beyond the segment. */
static inline int32_t tflm_ext_spectrum_weighted(const tflm_ext_spectrum_t *op,
                                                 const int16_t *input, const int16_t *window,
                                                 int32_t bits, int32_t i)
{
    if (i >= op->length) {
        return 0;
    }
    const int32_t sample = tflm_ext_spectrum_sample(op, input, i) * ((int32_t)1 << bits);
    return ((sample * window[i]) + TFLM_EXT_HALF) >> 15;
}

static inline uint32_t tflm_ext_spectrum_energy(uint32_t pair)
{
    return tflm_ext_smlad(pair, pair, 0U);
}

/*
 * Adds up the powers of a channel by bands, over all segments: twice the energy of a bin, but once
 * that of the first and the last. Returns the bits by which the samples were shifted.
 */
static inline int32_t tflm_ext_spectrum_sums(const tflm_ext_spectrum_t *op, const int16_t *input,
                                             const int16_t *window, const uint8_t *order,
                                             const int32_t *turns, const int32_t *split,
                                             const int16_t *edges, uint32_t *z, uint64_t *sums)
{
    const int32_t bits = tflm_ext_spectrum_bits(op, input);

    for (int32_t band = 0; band < op->bands; ++band) {
        sums[band] = 0U;
    }
    for (int32_t segment = 0; segment < op->segments; ++segment) {
        const int16_t *const samples = &input[segment * op->step * op->channels];

        for (int32_t i = 0; i < op->half; ++i) {
            z[i] =
                tflm_ext_pair(tflm_ext_spectrum_weighted(op, samples, window, bits, 2 * i),
                              tflm_ext_spectrum_weighted(op, samples, window, bits, (2 * i) + 1));
        }
        tflm_ext_fft_complex(&op->fft, order, turns, 0, z);
        tflm_ext_fft_split(&op->fft, split, 1, z);
        for (int32_t band = 0; band < op->bands; ++band) {
            uint64_t sum = 0U;

            for (int32_t k = edges[band]; k < edges[band + 1]; ++k) {
                sum += tflm_ext_spectrum_energy(z[k]);
            }
            sums[band] += 2U * sum;
        }
        if (edges[0] == 0) {
            sums[0] -= tflm_ext_spectrum_energy(z[0]);
        }
        if (edges[op->bands] > op->half) {
            sums[op->bands - 1] -= tflm_ext_spectrum_energy(z[op->half]);
        }
    }
    return bits;
}

/* log2(x) with 16 fraction bits, interpolated linearly; that of 1 for 0. */
static inline int32_t tflm_ext_spectrum_log2(const int16_t *logarithm, uint64_t x)
{
    const int32_t above = ((x >> 32) == 0U) ? 0 : tflm_ext_bit_length((uint32_t)(x >> 32));
    const uint32_t top = (uint32_t)(x >> above); /* the highest 32 bits, or x if it has fewer */
    const int32_t bits = tflm_ext_max(tflm_ext_bit_length(top) - 1, 0);
    const uint32_t rest = (top == 0U) ? 0U : (top - ((uint32_t)1 << bits));
    const int32_t fraction = (int32_t)((bits < 16) ? (rest << (16 - bits)) : (rest >> (bits - 16)));
    const int32_t left = logarithm[fraction >> 9];
    const int32_t slope = logarithm[(fraction >> 9) + 1] - left;

    return ((bits + above) * 65536) + fraction + left + ((slope * (fraction & 511)) >> 9);
}

/* Levels of bands: log2 of their powers, with 8 fraction bits. */
static inline void tflm_ext_spectrum_levels(const tflm_ext_spectrum_levels_t *op,
                                            const int16_t *input, const int16_t *window,
                                            const uint8_t *order, const int32_t *turns,
                                            const int32_t *split, const int16_t *edges,
                                            const int16_t *logarithm, uint32_t *z, uint64_t *sums,
                                            int16_t *output)
{
    const int32_t bands = op->spectrum.bands;

    for (int32_t channel = 0; channel < op->spectrum.channels; ++channel) {
        const int32_t bits = tflm_ext_spectrum_sums(&op->spectrum, &input[channel], window, order,
                                                    turns, split, edges, z, sums);

        for (int32_t band = 0; band < bands; ++band) {
            const int32_t level =
                tflm_ext_spectrum_log2(logarithm, sums[band]) + op->offset - (bits * 131072);

            output[(channel * bands) + band] =
                (int16_t)tflm_ext_clamp((level + 128) >> 8, op->least, 32767);
        }
    }
}

/* Powers of bands, or their roots, as float32; `gain` is the power that a sum of 1 stands for. */
static inline void tflm_ext_spectrum_powers(const tflm_ext_spectrum_powers_t *op,
                                            const int16_t *input, const int16_t *window,
                                            const uint8_t *order, const int32_t *turns,
                                            const int32_t *split, const int16_t *edges,
                                            const float *gain, uint32_t *z, uint64_t *sums,
                                            float *output)
{
    const int32_t bands = op->spectrum.bands;

    for (int32_t channel = 0; channel < op->spectrum.channels; ++channel) {
        const int32_t bits = tflm_ext_spectrum_sums(&op->spectrum, &input[channel], window, order,
                                                    turns, split, edges, z, sums);
        const float step = 1.0f / (float)((int32_t)1 << bits);
        const float shrunk = tflm_ext_product(step, step);

        for (int32_t band = 0; band < bands; ++band) {
            const float power =
                tflm_ext_product(tflm_ext_product((float)sums[band], shrunk), gain[0]);

            output[(channel * bands) + band] = (op->root != 0) ? tflm_ext_float_root(power) : power;
        }
    }
}

#endif
