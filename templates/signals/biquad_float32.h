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

    float output = high;

    if (kind == TFLM_EXT_BIQUAD_LOW) {
        output = tflm_ext_product(own->high_mix, high) - old_low;
    } else if (kind == TFLM_EXT_BIQUAD_ANY) {
        output = tflm_ext_product(own->high_mix, high);
        output = tflm_ext_add_product(output, own->band_mix, old_band);
        output = tflm_ext_add_product(output, own->low_mix, old_low);
    } else {
        /* the number as it is */
    }
    *band = tflm_ext_add_product(old_band, own->band, high);
    *low = tflm_ext_add_product(old_low, own->low, *band);
    return output;
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

/* Numbers of one channel through a section, whose state has two numbers. */
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

    for (; count > 0U; --count) {
        tflm_ext_biquad_float32_next(op, &own, &band, &low, &at, first, last);
    }
    state[0] = band;
    state[1] = low;
    TFLM_EXT_STORED();
}

/* A channel through several sections, block by block. */
TFLM_EXT_SPECIALIZED void tflm_ext_biquad_float32_cascade(const tflm_ext_biquad_float32_t *op,
                                                          const float *sections, float *state,
                                                          tflm_ext_biquad_float32_place_t at,
                                                          uint32_t count)
{
    const int32_t last = op->sections - 1;

    while (count > 0U) {
        const uint32_t block = (count < TFLM_EXT_BIQUAD_BLOCK) ? count : TFLM_EXT_BIQUAD_BLOCK;

        tflm_ext_biquad_float32_pass(op, sections, state, at, block, true, false);
        for (int32_t i = 1; i < last; ++i) {
            tflm_ext_biquad_float32_pass(op, &sections[i * 6], &state[i * 2], at, block, false,
                                         false);
        }
        tflm_ext_biquad_float32_pass(op, &sections[last * 6], &state[last * 2], at, block, false,
                                     true);
        at.input = &at.input[block * (uint32_t)op->channels];
        at.output = &at.output[block * (uint32_t)op->channels];
        count -= block;
    }
}

/* `sections` has 6 numbers of each, `state` 2 of each section of each channel. */
TFLM_EXT_SPECIALIZED uint32_t tflm_ext_biquad_float32(const tflm_ext_biquad_float32_t *op,
                                                      const int16_t *input, uint32_t count,
                                                      const float *sections, float *state,
                                                      float *between, int16_t *output)
{
    for (int32_t channel = 0; channel < op->channels; ++channel) {
        const tflm_ext_biquad_float32_place_t at = { &input[channel], between, &output[channel] };
        float *const own = &state[channel * op->sections * 2];

        if (op->sections == 1) {
            tflm_ext_biquad_float32_pass(op, sections, own, at, count, true, true);
        } else {
            tflm_ext_biquad_float32_cascade(op, sections, own, at, count);
        }
    }
    return count;
}

#endif
