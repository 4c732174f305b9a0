/* SPDX-License-Identifier: 0BSD */
/*
 * The log-mel front end of TensorFlow's older microfrontend, bit for bit. It differs from that of
 * log_mel.h in tables, and in how it looks for the largest sample of a frame.
 */
#ifndef TFLM_EXT_MICROFRONTEND_H
#define TFLM_EXT_MICROFRONTEND_H

#include "log_mel.h"

typedef tflm_ext_log_mel_t tflm_ext_microfrontend_t;

/*
 * Applies the window, and returns the bits by which the result can be shifted left. If it contains
 * -32768, which does not count for these, it is shifted here, and the negative number is returned.
 */
static inline int32_t tflm_ext_microfrontend_window(const int16_t *input, const int16_t *window,
                                                    int32_t length, int32_t half, uint32_t *z)
{
    uint32_t found = 0U;

    for (int32_t i = 0; i < (length / 2); ++i) {
        const uint32_t weights = tflm_ext_load_pair(&window[2 * i]);

        z[i] = tflm_ext_log_mel_weigh(&input[2 * i], tflm_ext_low(weights), tflm_ext_high(weights));
        found |= tflm_ext_pair_magnitudes(z[i]);
    }
    for (int32_t i = length / 2; i < half; ++i) {
        z[i] = 0U;
    }

    const uint32_t magnitudes = (found | (found >> 16)) & 0xFFFFU;
    const int32_t bits = 15 - tflm_ext_bit_length(magnitudes & 0x7FFFU);
    if (magnitudes < 0x8000U) {
        return bits;
    }
    for (int32_t i = 0; i < (length / 2); ++i) {
        z[i] = tflm_ext_pair(tflm_ext_low(z[i]) * (1 << bits), tflm_ext_high(z[i]) * (1 << bits));
    }
    return -bits;
}

/* `weights` has two for every bin: for the band whose filter rises there, and for the one before. */
static inline void tflm_ext_microfrontend(const tflm_ext_microfrontend_t *op, const int16_t *input,
                                          const int16_t *window, const uint8_t *order,
                                          const int32_t *turns, const int32_t *split,
                                          const int16_t *widths, const int16_t *weights,
                                          const int16_t *gain, const int16_t *logarithm,
                                          uint32_t *noise, uint32_t *spectrum, int16_t *output)
{
    const int32_t bits =
        tflm_ext_microfrontend_window(input, window, op->length, op->half, spectrum);
    const uint32_t scaled_by = (uint32_t)((bits < 0) ? -bits : bits);

    tflm_ext_fft_complex(&op->fft, order, turns, (bits > 0) ? bits : 0, spectrum);
    tflm_ext_fft_split(&op->fft, split, op->split_from, spectrum);

    const uint32_t *at = &spectrum[op->first_bin];
    uint64_t sum = 0U;
    for (int32_t band = -1; band < op->bands; ++band) {
        uint64_t next = 0U;

        for (int32_t i = widths[band + 1]; i > 0; --i) {
            const uint32_t energy = tflm_ext_smlad(*at, *at, 0U);

            sum += (uint64_t)(uint32_t)(int32_t)weights[0] * energy;
            next += (uint64_t)(uint32_t)(int32_t)weights[1] * energy;
            weights = &weights[2];
            ++at;
        }
        if (band >= 0) { /* what falls from the lower edge belongs to no band */
            output[band] = tflm_ext_log_mel_feature(op, band, gain, logarithm,
                                                    tflm_ext_square_root(sum) >> scaled_by, noise);
        }
        sum = next;
    }
}

#endif
