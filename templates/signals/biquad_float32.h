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

/* The next `count` samples, 1 or 2, or as many numbers between two sections. */
TFLM_EXT_SPECIALIZED void tflm_ext_biquad_float32_next(const tflm_ext_biquad_float32_t *op,
                                                       const tflm_ext_biquad_float32_section_t *own,
                                                       float *band, float *low,
                                                       tflm_ext_biquad_float32_place_t *at,
                                                       int32_t count, bool first, bool last)
{
    int32_t samples[2] = { 0, 0 };
    float numbers[2] = { 0.0f, 0.0f };
    int16_t rounded[2];

    for (int32_t i = 0; i < count; ++i) {
        if (first) {
            samples[i] = at->input[i * op->channels];
        } else {
            numbers[i] = at->between[i];
        }
    }
    if (first) {
        tflm_ext_two_floats(samples, numbers);
        at->input = &at->input[count * op->channels];
    }
    for (int32_t i = 0; i < count; ++i) {
        if (first && (op->kind == TFLM_EXT_BIQUAD_HIGH)) {
            numbers[i] = tflm_ext_product(numbers[i], own->gain);
        }
        numbers[i] = tflm_ext_biquad_float32_step(own, op->kind, band, low, numbers[i]);
    }
    if (last) {
        tflm_ext_two_int16(numbers, rounded);
    }
    for (int32_t i = 0; i < count; ++i) {
        if (last) {
            *at->output = rounded[i];
            at->output = &at->output[op->channels];
            TFLM_EXT_MOVED(at->output);
        } else {
            at->between[i] = numbers[i];
        }
    }
    if (!first || !last) {
        at->between = &at->between[count];
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

    for (uint32_t pairs = count / 2U; pairs > 0U; --pairs) {
        tflm_ext_biquad_float32_next(op, &own, &band, &low, &at, 2, first, last);
    }
    if ((count % 2U) != 0U) {
        tflm_ext_biquad_float32_next(op, &own, &band, &low, &at, 1, first, last);
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
