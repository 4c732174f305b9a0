/* SPDX-License-Identifier: 0BSD */
/*
 * Filters as sections of second order, in float32.
 *
 * A section is a state-variable filter: two integrators, `band` and `low`, and their distance to
 * the input, `high`. The output is a sum of the three. This form needs far fewer bits than a
 * direct one where the filter is slow. Integrators are stored negated, so that everything is added.
 */
#ifndef TFLM_EXT_BIQUAD_FLOAT32_H
#define TFLM_EXT_BIQUAD_FLOAT32_H

#include <stdbool.h>
#include <stdint.h>

#include "biquad.h"
#include "exact_float.h"
#include "wide.h"

typedef struct {
    int32_t channels;
    int32_t sections;
    int32_t kind;
} tflm_ext_biquad_float32_t;

/* A section's row in the table. */
typedef struct {
    float gain; /* of samples where they enter the first section, if its kind is high */
    float band;
    float low;
    float high_mix;
    float band_mix;
    float low_mix;
} tflm_ext_biquad_float32_section_t;

/* Where the samples of a channel come from and go to. */
typedef struct {
    const int16_t *input;
    float *between;
    int16_t *output;
} tflm_ext_biquad_float32_place_t;

/* One number through a section. */
TFLM_EXT_SPECIALIZED float
tflm_ext_biquad_float32_step(const tflm_ext_biquad_float32_section_t *own, int32_t kind,
                             float *band, float *low, float number)
{
    const float old_band = *band;
    const float old_low = *low;
    const float high = (number + old_low) + old_band;

    *band = tflm_ext_add_product(old_band, own->band, high);
    *low = tflm_ext_add_product(old_low, own->low, *band);
    if (kind == TFLM_EXT_BIQUAD_HIGH) {
        return high;
    }

    const float mixed = tflm_ext_product(own->high_mix, high);
    if (kind == TFLM_EXT_BIQUAD_LOW) {
        return mixed - old_low;
    }
    return tflm_ext_add_product(tflm_ext_add_product(mixed, own->band_mix, old_band), own->low_mix,
                                old_low);
}

/* The next sample, or the next number between two sections. */
TFLM_EXT_SPECIALIZED void tflm_ext_biquad_float32_next(const tflm_ext_biquad_float32_t *op,
                                                       const tflm_ext_biquad_float32_section_t *own,
                                                       float *band, float *low,
                                                       tflm_ext_biquad_float32_place_t *at,
                                                       bool first, bool last)
{
    float number;

    if (!first) {
        number = *at->between;
    } else if (op->kind == TFLM_EXT_BIQUAD_HIGH) {
        number = tflm_ext_product((float)*at->input, own->gain);
    } else {
        number = (float)*at->input;
    }
    number = tflm_ext_biquad_float32_step(own, op->kind, band, low, number);
    if (last) {
        *at->output = tflm_ext_to_int16(number);
        at->output = &at->output[op->channels];
    } else {
        *at->between = number;
    }
    if (first) {
        at->input = &at->input[op->channels];
    }
    if (!first || !last) {
        ++at->between;
    }
}

/* Up to a block of one channel through a section, whose state has two numbers. */
TFLM_EXT_SPECIALIZED void tflm_ext_biquad_float32_pass(const tflm_ext_biquad_float32_t *op,
                                                       const float *row, float *state,
                                                       tflm_ext_biquad_float32_place_t at,
                                                       uint32_t count, bool first, bool last)
{
    const tflm_ext_biquad_float32_section_t own = {
        row[0], row[1], row[2], row[3], row[4], row[5]
    };
    float band = state[0];
    float low = state[1];

    for (uint32_t pairs = count / 2U; pairs > 0U; --pairs) {
        tflm_ext_biquad_float32_next(op, &own, &band, &low, &at, first, last);
        tflm_ext_biquad_float32_next(op, &own, &band, &low, &at, first, last);
    }
    if ((count & 1U) != 0U) {
        tflm_ext_biquad_float32_next(op, &own, &band, &low, &at, first, last);
    }
    state[0] = band;
    state[1] = low;
}

/* `sections` has 6 numbers of each, `state` 2 of each section of each channel. */
TFLM_EXT_SPECIALIZED uint32_t tflm_ext_biquad_float32(const tflm_ext_biquad_float32_t *op,
                                                      const int16_t *input, uint32_t count,
                                                      const float *sections, float *state,
                                                      float *between, int16_t *output)
{
    const int32_t last = op->sections - 1;

    for (int32_t channel = 0; channel < op->channels; ++channel) {
        float *const own = &state[channel * op->sections * 2];

        for (uint32_t done = 0U; done < count; done += TFLM_EXT_BIQUAD_BLOCK) {
            const uint32_t rest = count - done;
            const uint32_t block = (rest < TFLM_EXT_BIQUAD_BLOCK) ? rest : TFLM_EXT_BIQUAD_BLOCK;
            const uint32_t from = (done * (uint32_t)op->channels) + (uint32_t)channel;
            const tflm_ext_biquad_float32_place_t at = { &input[from], between, &output[from] };

            if (last == 0) {
                tflm_ext_biquad_float32_pass(op, sections, own, at, block, true, true);
            } else {
                tflm_ext_biquad_float32_pass(op, sections, own, at, block, true, false);
                for (int32_t i = 1; i < last; ++i) {
                    tflm_ext_biquad_float32_pass(op, &sections[i * 6], &own[i * 2], at, block,
                                                 false, false);
                }
                tflm_ext_biquad_float32_pass(op, &sections[last * 6], &own[last * 2], at, block,
                                             false, true);
            }
        }
    }
    return count;
}

#endif
