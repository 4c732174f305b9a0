/* SPDX-License-Identifier: 0BSD */
/*
 * Filters as sections of second order, in integers.
 *
 * A section is a state-variable filter: two integrators, `band` and `low`, and their distance to
 * the input, `high`. The output is a sum of the three. With 64 bits, the integrators lose nothing
 * however slowly they change, so the only errors are those of the numbers that are read from
 * them: as small as noise of the input far below one count. Integrators are stored negated, so
 * that everything is added.
 */
#ifndef TFLM_EXT_BIQUAD_INT32_H
#define TFLM_EXT_BIQUAD_INT32_H

#include <stdbool.h>
#include <stdint.h>

#include "arithmetic.h"
#include "biquad.h"
#include "dsp.h"
#include "wide.h"

typedef struct {
    int32_t channels;
    int32_t sections;
    int32_t kind;
    int32_t gain;          /* of samples where they enter the first section */
    int32_t fraction_bits; /* of numbers between the sections, 1 to 14 */
} tflm_ext_biquad_int32_t;

/* A section's row in the table; products are divided by 2^32. */
typedef struct {
    int32_t band;
    int32_t low;
    int32_t high_mix;
    int32_t band_mix;
    int32_t low_mix;
    int32_t band_shift; /* numbers are these words times 2^shift; of band, it may be negative */
    int32_t low_shift;
    int32_t mix_shift;
} tflm_ext_biquad_int32_section_t;

/* Where the samples of a channel come from and go to. */
typedef struct {
    const int16_t *input;
    int32_t *between;
    int16_t *output;
} tflm_ext_biquad_int32_place_t;

/* One number through a section; gives a result plus `half`, of ANY divided by 2^mix_shift. */
TFLM_EXT_SPECIALIZED int32_t tflm_ext_biquad_int32_step(const tflm_ext_biquad_int32_section_t *own,
                                                        int32_t kind, int64_t *band, int64_t *low,
                                                        int32_t number, int32_t half)
{
    const int32_t old_band = tflm_ext_upper(*band);
    const int32_t old_low = tflm_ext_upper(*low);
    const int32_t shifted_low = tflm_ext_shift_left(old_low, own->low_shift);
    const int32_t shifted_band = (own->band_shift >= 0)
                                     ? tflm_ext_shift_left(old_band, own->band_shift)
                                     : (old_band >> -own->band_shift);
    const int32_t high = number + shifted_low + shifted_band;

    int32_t output;

    if (kind == TFLM_EXT_BIQUAD_HIGH) {
        output = high + half;
    } else if (kind == TFLM_EXT_BIQUAD_ANY) {
        output = tflm_ext_smmulr(own->high_mix, high);
        output = tflm_ext_smmlar(own->band_mix, old_band, output);
        output = tflm_ext_smmlar(own->low_mix, old_low, output) + half;
    } else if (own->mix_shift == 0) {
        output = tflm_ext_smmlar(own->high_mix, high, half - shifted_low);
    } else {
        output = tflm_ext_shift_left(tflm_ext_smmulr(own->high_mix, high), own->mix_shift) +
                 (half - shifted_low);
    }
    *band = tflm_ext_wide_sum(*band, own->band, high);
    *low = tflm_ext_wide_sum(*low, own->low, tflm_ext_upper(*band));
    return output;
}

/* The next sample, or the next number between two sections. */
TFLM_EXT_SPECIALIZED void tflm_ext_biquad_int32_next(const tflm_ext_biquad_int32_t *op,
                                                     const tflm_ext_biquad_int32_section_t *own,
                                                     int64_t *band, int64_t *low,
                                                     tflm_ext_biquad_int32_place_t *at, bool first,
                                                     bool last)
{
    /* What rounds the last result to int16 is added to its sum, before that is shifted. */
    const int32_t shift = (op->kind == TFLM_EXT_BIQUAD_ANY) ? own->mix_shift : 0;
    const int32_t half = last ? (((int32_t)1 << (op->fraction_bits - 1)) >> shift) : 0;
    int32_t number;

    if (!first) {
        number = *at->between;
    } else if (op->kind == TFLM_EXT_BIQUAD_HIGH) {
        number = *at->input * op->gain;
    } else {
        number = tflm_ext_shift_left(*at->input, op->fraction_bits);
    }
    number = tflm_ext_biquad_int32_step(own, op->kind, band, low, number, half);
    if (last) {
        *at->output = tflm_ext_shifted16(number, op->fraction_bits - shift);
        at->output = &at->output[op->channels];
        TFLM_EXT_MOVED(at->output);
    } else {
        *at->between = tflm_ext_shift_left(number, shift);
    }
    if (first) {
        at->input = &at->input[op->channels];
        TFLM_EXT_MOVED(at->input);
    }
    if (!first || !last) {
        ++at->between;
        TFLM_EXT_MOVED(at->between);
    }
    TFLM_EXT_STORED(); /* there are no registers for two samples at once */
}

/* Numbers of one channel through a section, whose state has two words. */
TFLM_EXT_SPECIALIZED void tflm_ext_biquad_int32_pass(const tflm_ext_biquad_int32_t *op,
                                                     const int32_t *row, int64_t *state,
                                                     tflm_ext_biquad_int32_place_t at,
                                                     uint32_t count, bool first, bool last)
{
    const tflm_ext_biquad_int32_section_t own = { tflm_ext_kept(row[0]),
                                                  tflm_ext_kept(row[1]),
                                                  tflm_ext_kept(row[2]),
                                                  tflm_ext_kept(row[3]),
                                                  tflm_ext_kept(row[4]),
                                                  row[5],
                                                  row[6],
                                                  row[7] };
    int64_t band = state[0];
    int64_t low = state[1];

    for (uint32_t pairs = count / 2U; pairs > 0U; --pairs) {
        tflm_ext_biquad_int32_next(op, &own, &band, &low, &at, first, last);
        tflm_ext_biquad_int32_next(op, &own, &band, &low, &at, first, last);
    }
    if ((count % 2U) != 0U) {
        tflm_ext_biquad_int32_next(op, &own, &band, &low, &at, first, last);
    }
    state[0] = band;
    state[1] = low;
    TFLM_EXT_STORED();
}

/* A channel through several sections, block by block. */
TFLM_EXT_SPECIALIZED void tflm_ext_biquad_int32_cascade(const tflm_ext_biquad_int32_t *op,
                                                        const int32_t *sections, int64_t *state,
                                                        tflm_ext_biquad_int32_place_t at,
                                                        uint32_t count)
{
    const int32_t last = op->sections - 1;

    while (count > 0U) {
        const uint32_t block = (count < TFLM_EXT_BIQUAD_BLOCK) ? count : TFLM_EXT_BIQUAD_BLOCK;

        tflm_ext_biquad_int32_pass(op, sections, state, at, block, true, false);
        for (int32_t i = 1; i < last; ++i) {
            tflm_ext_biquad_int32_pass(op, &sections[i * 8], &state[i * 2], at, block, false,
                                       false);
        }
        tflm_ext_biquad_int32_pass(op, &sections[last * 8], &state[last * 2], at, block, false,
                                   true);
        at.input = &at.input[block * (uint32_t)op->channels];
        at.output = &at.output[block * (uint32_t)op->channels];
        count -= block;
    }
}

/* `sections` has 8 numbers of each, `state` 2 of each section of each channel. */
TFLM_EXT_SPECIALIZED uint32_t tflm_ext_biquad_int32(const tflm_ext_biquad_int32_t *op,
                                                    const int16_t *input, uint32_t count,
                                                    const int32_t *sections, int64_t *state,
                                                    int32_t *between, int16_t *output)
{
    for (int32_t channel = 0; channel < op->channels; ++channel) {
        const tflm_ext_biquad_int32_place_t at = { &input[channel], between, &output[channel] };
        int64_t *const own = &state[channel * op->sections * 2];

        if (op->sections == 1) {
            tflm_ext_biquad_int32_pass(op, sections, own, at, count, true, true);
        } else {
            tflm_ext_biquad_int32_cascade(op, sections, own, at, count);
        }
    }
    return count;
}

#endif
