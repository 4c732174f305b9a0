/* SPDX-License-Identifier: 0BSD */
/*
 * The log-mel front end of TensorFlow Lite Micro's signal library, bit for bit: Hann window, Fourier
 * transform with block scaling, triangular filters on the mel scale, square root, subtraction of the
 * noise, gain control per band (PCAN), and logarithm.
 */
#ifndef TFLM_EXT_LOG_MEL_H
#define TFLM_EXT_LOG_MEL_H

#include "fft_int16.h"
#include "signal_arithmetic.h"

typedef struct {
    int32_t length;           /* samples of a frame, an even number */
    int32_t half;             /* half the points of the transform */
    tflm_ext_fft_int16_t fft; /* the complex transform */
    int32_t first_bin;        /* the first bin that counts */
    int32_t split_from;       /* the first bin that counts, or is as far from the end as one */
    int32_t bands;
    int32_t subtract;         /* 1: noise is subtracted */
    uint32_t smoothing[2];    /* weights of a frame in the noise of even and odd bands */
    int32_t smoothing_bits;   /* fraction bits of the noise */
    int32_t subtraction_bits; /* fraction bits of the weights */
    uint32_t least;           /* share of a band that remains */
    int32_t clamping;         /* 1: the noise does not exceed the band */
    int32_t pcan;             /* 1: gain control */
    int32_t snr_shift;        /* of a band times its gain, to have 12 fraction bits */
    int32_t correction_bits;  /* by which bands are shifted left before the logarithm */
    uint32_t log_scale;       /* of the logarithm */
} tflm_ext_log_mel_t;

/* Weights two samples; |weight| <= 2^12, so the products fit. */
static inline uint32_t tflm_ext_log_mel_weigh(const int16_t *samples, int32_t first, int32_t second)
{
    const uint32_t pair = tflm_ext_load_pair(samples);

    return tflm_ext_pair((tflm_ext_low(pair) * first) >> 12, (tflm_ext_high(pair) * second) >> 12);
}

/*
 * Applies the window, and returns the bits by which the result can be shifted left. The window is
 * symmetric: pairs are weighted from both ends at once.
 */
static inline int32_t tflm_ext_log_mel_window(const int16_t *input, const int16_t *window,
                                              int32_t length, int32_t half, uint32_t *z)
{
    uint32_t found = 0U;

    for (int32_t i = 0; (4 * i) < length; ++i) {
        const int32_t other = (length / 2) - 1 - i;
        const uint32_t weights = tflm_ext_load_pair(&window[2 * i]);
        const int32_t outer = tflm_ext_low(weights);
        const int32_t inner = tflm_ext_high(weights);

        const uint32_t first = tflm_ext_log_mel_weigh(&input[2 * i], outer, inner);
        const uint32_t second = tflm_ext_log_mel_weigh(&input[2 * other], inner, outer);

        z[i] = first;
        z[other] = second;
        found |= tflm_ext_pair_magnitudes(first) | tflm_ext_pair_magnitudes(second);
    }
    for (int32_t i = length / 2; i < half; ++i) {
        z[i] = 0U;
    }

    const uint32_t magnitudes = (found | (found >> 16)) & 0xFFFFU;
    if (magnitudes < 0x8000U) {
        return (magnitudes == 0U) ? 0 : (15 - tflm_ext_bit_length(magnitudes));
    }

    /*
     * TFLM looks for the largest magnitude in an int16, where that of -32768 becomes -32768, and
     * every value after it is larger. The shift may then overflow, so it is done here.
     */
    int32_t largest = 0;
    for (int32_t i = 0; i < length; ++i) {
        const uint32_t pair = z[i / 2];
        const int32_t value = ((i & 1) == 0) ? tflm_ext_low(pair) : tflm_ext_high(pair);

        if (value > largest) {
            largest = value;
        } else if (-value > largest) {
            largest = (value == -32768) ? -32768 : -value;
        } else {
            /* not larger */
        }
    }
    const int32_t bits = (largest <= 0) ? 0 : (15 - tflm_ext_bit_length((uint32_t)largest));
    for (int32_t i = 0; i < (length / 2); ++i) {
        z[i] = tflm_ext_pair(tflm_ext_low(z[i]) * (1 << bits), tflm_ext_high(z[i]) * (1 << bits));
    }
    return -bits; /* done */
}

/* Subtracts the noise of a band, which becomes a mean of this frame and those before. */
static inline uint32_t tflm_ext_log_mel_subtract(const tflm_ext_log_mel_t *op, uint32_t smoothing,
                                                 uint32_t band, uint32_t *noise)
{
    const uint32_t signal = band << (uint32_t)op->smoothing_bits;
    const uint32_t other = ((uint32_t)1 << (uint32_t)op->subtraction_bits) - smoothing;
    const uint32_t mean =
        (uint32_t)((((uint64_t)signal * smoothing) + ((uint64_t)*noise * other)) >>
                   (uint32_t)op->subtraction_bits);
    const uint32_t estimate = (mean < signal) ? mean : signal;
    const uint32_t least =
        (uint32_t)(((uint64_t)band * op->least) >> (uint32_t)op->subtraction_bits);
    const uint32_t rest = (signal - estimate) >> (uint32_t)op->smoothing_bits;

    *noise = (op->clamping != 0) ? estimate : mean;
    return (rest > least) ? rest : least;
}

/* The gain of a band with this noise, from parabolas between powers of two. */
static inline uint32_t tflm_ext_log_mel_gain(const int16_t *gain, uint32_t noise)
{
    if (noise <= 2U) {
        return (uint32_t)(int32_t)gain[noise];
    }

    const int32_t interval = tflm_ext_bit_length(noise);
    const int16_t *const parabola = &gain[(4 * interval) - 6];
    const int32_t fraction =
        (int32_t)(((interval < 11) ? (noise << (11 - interval)) : (noise >> (interval - 11))) &
                  0x3FFU);
    const int32_t slope = ((parabola[2] * fraction) >> 5) + (parabola[1] * 32);
    const int32_t value = (((slope * fraction) + (1 << 14)) >> 15) + parabola[0];

    return (uint32_t)(int32_t)(int16_t)value;
}

/* Multiplies a band by its gain; what is below 2 is squared and divided by 4. */
static inline uint32_t tflm_ext_log_mel_amplify(const tflm_ext_log_mel_t *op, uint32_t band,
                                                uint32_t gain)
{
    const uint32_t snr = (uint32_t)(((uint64_t)band * gain) >> (uint32_t)op->snr_shift);

    return (snr < (2U << 12)) ? ((snr * snr) >> 20) : ((snr >> 6) - 64U);
}

/* The feature of a band from its magnitude. */
static inline int16_t tflm_ext_log_mel_feature(const tflm_ext_log_mel_t *op, int32_t band,
                                               const int16_t *gain, const int16_t *logarithm,
                                               uint32_t magnitude, uint32_t *noise)
{
    uint32_t value = magnitude;

    if (op->subtract != 0) {
        value = tflm_ext_log_mel_subtract(op, op->smoothing[band & 1], value, &noise[band]);
    }
    if (op->pcan != 0) {
        value = tflm_ext_log_mel_amplify(op, value, tflm_ext_log_mel_gain(gain, noise[band]));
    }
    value <<= (uint32_t)op->correction_bits;

    const uint32_t scaled =
        (value > 1U) ? tflm_ext_scaled_log(logarithm, value, op->log_scale) : 0U;
    return (int16_t)((scaled < 32767U) ? scaled : 32767U);
}

/*
 * A bin of the spectrum counts for two bands: one whose filter rises there, and the one before. The
 * weights add up to 2^12 - 1, and to 2^12 for the bins in `whole`, which a large number ends.
 */
static inline void tflm_ext_log_mel(const tflm_ext_log_mel_t *op, const int16_t *input,
                                    const int16_t *window, const uint8_t *order,
                                    const int32_t *turns, const int32_t *split,
                                    const int16_t *widths, const int16_t *weights,
                                    const int16_t *whole, const int16_t *gain,
                                    const int16_t *logarithm, uint32_t *noise, uint32_t *spectrum,
                                    int16_t *output)
{
    const int32_t bits = tflm_ext_log_mel_window(input, window, op->length, op->half, spectrum);
    const uint32_t scaled_by = (uint32_t)((bits < 0) ? -bits : bits);

    tflm_ext_fft_complex(&op->fft, order, turns, (bits > 0) ? bits : 0, spectrum);
    tflm_ext_fft_split(&op->fft, split, op->split_from, spectrum);

    int32_t bin = op->first_bin;
    uint64_t sum = 0U;
    for (int32_t band = -1; band < op->bands; ++band) {
        const int32_t end = bin + widths[band + 1];
        uint64_t next = 0U;

        for (; bin < end; ++bin) {
            const uint32_t energy = tflm_ext_smlad(spectrum[bin], spectrum[bin], 0U);
            const uint32_t weight = (uint32_t)(int32_t)weights[bin - op->first_bin];

            sum += (uint64_t)weight * energy;
            next += (uint64_t)(4095U - weight) * energy;
        }
        for (; *whole < end; ++whole) {
            next += tflm_ext_smlad(spectrum[*whole], spectrum[*whole], 0U);
        }
        if (band >= 0) { /* what falls from the lower edge belongs to no band */
            output[band] = tflm_ext_log_mel_feature(op, band, gain, logarithm,
                                                    tflm_ext_square_root(sum) >> scaled_by, noise);
        }
        sum = next;
    }
}

#endif
