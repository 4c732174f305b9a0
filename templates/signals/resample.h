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
    int32_t room; /* samples of a channel in `recent`, more than taps */
} tflm_ext_resample_t;

/* The sum of products of `taps` samples and coefficients, which no input lets overflow. */
static inline int32_t tflm_ext_resample_sum(const int16_t *samples, const int16_t *coefficients,
                                            int32_t taps, int32_t sum)
{
#if TFLM_EXT_DSP
    uint32_t total = (uint32_t)sum;
    int32_t i = 0;

    for (; i < (taps - 6); i += 8) {
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[i]),
                               tflm_ext_load_pair(&coefficients[i]), total);
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[i + 2]),
                               tflm_ext_load_pair(&coefficients[i + 2]), total);
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[i + 4]),
                               tflm_ext_load_pair(&coefficients[i + 4]), total);
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[i + 6]),
                               tflm_ext_load_pair(&coefficients[i + 6]), total);
    }
    for (; i < taps; i += 2) {
        total = tflm_ext_smlad(tflm_ext_load_pair(&samples[i]),
                               tflm_ext_load_pair(&coefficients[i]), total);
    }
    return (int32_t)total;
#else
    for (int32_t i = 0; i < taps; ++i) {
        sum += samples[i] * coefficients[i];
    }
    return sum;
#endif
}

/*
 * `coefficients` has `taps` of each phase, for the oldest sample first. `recent` has the last
 * samples of each channel: taps - 1 and another place[0]. An output is due as long as its phase,
 * place[1], is below `up`.
 */
static inline uint32_t tflm_ext_resample(const tflm_ext_resample_t *op, const int16_t *input,
                                         uint32_t count, const int16_t *coefficients,
                                         int16_t *recent, int32_t *place, int16_t *output)
{
    const int32_t kept = op->taps - 1;
    const int32_t half = (int32_t)1 << (op->bits - 1);
    int32_t at = kept + place[0];
    int32_t phase = place[1];
    uint32_t made = 0U;

    for (uint32_t i = 0U; i < count; ++i) {
        if (at == op->room) {
            for (int32_t channel = 0; channel < op->channels; ++channel) {
                int16_t *const own = &recent[channel * op->room];
                (void)memmove(own, &own[op->room - kept], (size_t)kept * sizeof *own);
            }
            at = kept;
        }
        for (int32_t channel = 0; channel < op->channels; ++channel) {
            recent[(channel * op->room) + at] = *input;
            ++input;
        }
        ++at;
        while (phase < op->up) {
            const int16_t *const own = &coefficients[phase * op->taps];

            for (int32_t channel = 0; channel < op->channels; ++channel) {
                const int16_t *const window = &recent[(channel * op->room) + at - op->taps];
                const int32_t sum = tflm_ext_resample_sum(window, own, op->taps, half);

                *output = tflm_ext_saturate16(sum >> op->bits);
                ++output;
            }
            ++made;
            phase += op->down;
        }
        phase -= op->up;
    }
    place[0] = at - kept;
    place[1] = phase;
    return made;
}

#endif
