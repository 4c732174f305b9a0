/* SPDX-License-Identifier: 0BSD */
/*
 * Changes the sampling rate by up / down: a FIR filter at `up` times the rate, of which only the
 * outputs that are kept are computed, each with the `taps` coefficients of its phase.
 */
#ifndef TFLM_EXT_RESAMPLE_H
#define TFLM_EXT_RESAMPLE_H

#include "pairs.h"
#include "wide.h"

typedef struct {
    int32_t channels;
    int32_t taps; /* of a phase; even */
    int32_t up;
    int32_t down;
    int32_t bits; /* fraction bits of coefficients */
} tflm_ext_resample_t;

/*
 * The sum of products of `taps` samples and coefficients, which no input lets overflow. As a
 * separate function, its loop has enough registers.
 */
static TFLM_EXT_SHARED int32_t tflm_ext_resample_sum(const int16_t *samples,
                                                     const int16_t *coefficients, int32_t taps,
                                                     int32_t sum)
{
#if TFLM_EXT_DSP
    uint32_t total = (uint32_t)sum;

    for (; taps >= 8; taps -= 8) {
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[0]),
                               tflm_ext_load_pair(&coefficients[0]), total);
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[2]),
                               tflm_ext_load_pair(&coefficients[2]), total);
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[4]),
                               tflm_ext_load_pair(&coefficients[4]), total);
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[6]),
                               tflm_ext_load_pair(&coefficients[6]), total);
        samples = &samples[8];
        coefficients = &coefficients[8];
    }
    for (; taps > 0; taps -= 2) {
        total =
            tflm_ext_smlad(tflm_ext_load_pair(samples), tflm_ext_load_pair(coefficients), total);
        samples = &samples[2];
        coefficients = &coefficients[2];
    }
    return (int32_t)total;
#else
    for (; taps > 0; taps -= 2) {
        sum += samples[0] * coefficients[0];
        sum += samples[1] * coefficients[1];
        samples = &samples[2];
        coefficients = &coefficients[2];
    }
    return sum;
#endif
}

/*
 * `coefficients` has `taps` of each phase, for the oldest sample first. `recent` has the last
 * `taps` samples of each channel twice in a row, so that they are in order from any of them
 * on. place[0] is where the next sample goes. An output is due as long as its phase,
 * place[1], is below `up`.
 */
static inline uint32_t tflm_ext_resample(const tflm_ext_resample_t *op, const int16_t *input,
                                         uint32_t count, const int16_t *coefficients,
                                         int16_t *recent, int32_t *place, int16_t *output)
{
    const int32_t half = (int32_t)1 << (op->bits - 1);
    const int32_t taps = op->taps;
    int32_t at = place[0];
    int32_t phase = place[1];
    uint32_t made = 0U;

    for (; count > 0U; --count) {
        int16_t *newest = &recent[at];

        for (int32_t channel = 0; channel < op->channels; ++channel) {
            newest[0] = *input;
            newest[taps] = *input;
            newest = &newest[2 * taps];
            ++input;
        }
        ++at;
        while (phase < op->up) {
            const int16_t *window = &recent[at];

            for (int32_t channel = 0; channel < op->channels; ++channel) {
                const int32_t sum =
                    tflm_ext_resample_sum(window, &coefficients[phase * taps], taps, half);

                *output = tflm_ext_saturate16(sum >> op->bits);
                window = &window[2 * taps];
                ++output;
            }
            ++made;
            phase = tflm_ext_kept(phase + op->down); /* most often for the last time */
        }
        phase -= op->up;
        at = (at < taps) ? at : 0;
    }
    place[0] = at;
    place[1] = phase;
    return made;
}

#endif
