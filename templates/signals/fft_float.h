/* SPDX-License-Identifier: 0BSD */
/*
 * The power spectrum of real samples in float32, with every operation in a fixed order. A complex
 * number is a real part and an imaginary part, one after the other. Tables are made during the
 * export.
 */
#ifndef TFLM_EXT_FFT_FLOAT_H
#define TFLM_EXT_FFT_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

#include "exact_float.h"

typedef struct {
    float re;
    float im;
} tflm_ext_complex_t;

typedef struct {
    int32_t half;     /* complex points: half as many as real samples */
    int32_t length;   /* samples with a weight; zeros follow up to 2 * half */
    int32_t channels; /* whose samples alternate */
    int32_t radix_2;  /* 1: the first pass has radix 2; otherwise all have radix 4 */
} tflm_ext_fft_float_t;

/* Combines four numbers; the results go to `z`, one after the other `step` further on. */
static inline void tflm_ext_float_radix_4(tflm_ext_complex_t *z, int32_t step, tflm_ext_complex_t a,
                                          tflm_ext_complex_t b, tflm_ext_complex_t c,
                                          tflm_ext_complex_t d)
{
    tflm_ext_complex_t *const second = &z[step];
    tflm_ext_complex_t *const third = &second[step];
    tflm_ext_complex_t *const fourth = &third[step];
    const tflm_ext_complex_t sum_ac = { a.re + c.re, a.im + c.im };
    const tflm_ext_complex_t rest_ac = { a.re - c.re, a.im - c.im };
    const tflm_ext_complex_t sum_bd = { b.re + d.re, b.im + d.im };
    const tflm_ext_complex_t rest_bd = { b.re - d.re, b.im - d.im };

    z->re = sum_ac.re + sum_bd.re;
    z->im = sum_ac.im + sum_bd.im;
    second->re = rest_ac.re + rest_bd.im;
    second->im = rest_ac.im - rest_bd.re;
    third->re = sum_ac.re - sum_bd.re;
    third->im = sum_ac.im - sum_bd.im;
    fourth->re = rest_ac.re - rest_bd.im;
    fourth->im = rest_ac.im + rest_bd.re;
}

/* A number times cosine - i sine. */
static inline tflm_ext_complex_t tflm_ext_float_turned(tflm_ext_complex_t a, float cosine,
                                                       float sine)
{
    const tflm_ext_complex_t turned = {
        tflm_ext_add_product(tflm_ext_product(a.re, cosine), a.im, sine),
        tflm_ext_subtract_product(tflm_ext_product(a.im, cosine), a.re, sine)
    };
    return turned;
}

/* A sample, weighted; 0 if it is not one of the `left` samples from here on. */
static inline float tflm_ext_float_sample(const tflm_ext_fft_float_t *op, const int16_t *input,
                                          const float *window, int32_t i, int32_t left)
{
    if ((op->length < (2 * op->half)) && (i >= left)) {
        return 0.0f;
    }
    return tflm_ext_product((float)input[i * op->channels], window[i]);
}

/* Two samples as a complex number. */
static inline tflm_ext_complex_t tflm_ext_float_pair(const tflm_ext_fft_float_t *op,
                                                     const int16_t *input, const float *window,
                                                     int32_t i, int32_t left)
{
    const tflm_ext_complex_t pair = { tflm_ext_float_sample(op, input, window, i, left),
                                      tflm_ext_float_sample(op, input, window, i + 1, left) };
    return pair;
}

/* Weights the samples, and makes the first pass. */
static inline void tflm_ext_float_first(const tflm_ext_fft_float_t *op, const int16_t *input,
                                        const float *window, const int16_t *order,
                                        tflm_ext_complex_t *z)
{
    const int32_t half = op->half;
    const int32_t radix = (op->radix_2 != 0) ? 2 : 4;

    for (int32_t i = 0; i < half; i += radix) {
        const int32_t at = 2 * order[i / radix];
        const int32_t left = op->length - at;
        const int16_t *const samples = &input[at * op->channels];
        const float *const weights = &window[at];
        const tflm_ext_complex_t a = tflm_ext_float_pair(op, samples, weights, 0, left);
        const tflm_ext_complex_t c = tflm_ext_float_pair(op, samples, weights, half, left);

        if (radix == 2) {
            z[i].re = a.re + c.re;
            z[i].im = a.im + c.im;
            z[i + 1].re = a.re - c.re;
            z[i + 1].im = a.im - c.im;
        } else {
            tflm_ext_float_radix_4(
                &z[i], 1, a, tflm_ext_float_pair(op, samples, weights, half / 2, left), c,
                tflm_ext_float_pair(op, samples, weights, half + (half / 2), left));
        }
    }
}

/*
 * Weights samples and transforms them, taken as `half` complex numbers. `order` has the first
 * number for each butterfly of the first pass, `turns` six factors for each place of each other
 * pass, except the first place.
 */
static inline void tflm_ext_float_fft(const tflm_ext_fft_float_t *op, const int16_t *input,
                                      const float *window, const int16_t *order, const float *turns,
                                      tflm_ext_complex_t *z)
{
    const tflm_ext_complex_t *const end = &z[op->half];

    tflm_ext_float_first(op, input, window, order, z);
    for (int32_t length = (op->radix_2 != 0) ? 2 : 4; length < op->half; length *= 4) {
        for (tflm_ext_complex_t *a = z; a < end; a = &a[4 * length]) {
            const tflm_ext_complex_t *const b = &a[length];
            const tflm_ext_complex_t *const c = &b[length];
            const tflm_ext_complex_t *const d = &c[length];

            tflm_ext_float_radix_4(a, length, *a, *b, *c, *d);
        }
        for (int32_t j = 1; j < length; ++j) {
            const float cos1 = turns[0];
            const float sin1 = turns[1];
            const float cos2 = turns[2];
            const float sin2 = turns[3];
            const float cos3 = turns[4];
            const float sin3 = turns[5];

            turns = &turns[6];
            for (tflm_ext_complex_t *a = &z[j]; a < end; a = &a[4 * length]) {
                const tflm_ext_complex_t *const b = &a[length];
                const tflm_ext_complex_t *const c = &b[length];
                const tflm_ext_complex_t *const d = &c[length];

                tflm_ext_float_radix_4(a, length, *a, tflm_ext_float_turned(*b, cos1, sin1),
                                       tflm_ext_float_turned(*c, cos2, sin2),
                                       tflm_ext_float_turned(*d, cos3, sin3));
            }
        }
    }
}

static inline float tflm_ext_float_power(float re, float im)
{
    return tflm_ext_add_product(tflm_ext_product(re, re), im, im);
}

/*
 * From the transform of samples taken as complex numbers, the power of each of the half + 1 bins of
 * the real samples: 4 |X|^2, but 2 |X|^2 for the first and the last. They are `stride` apart;
 * `power` may be the memory of z if that is 2.
 */
static inline void tflm_ext_float_split(int32_t half, const float *split,
                                        const tflm_ext_complex_t *z, float *power, int32_t stride)
{
    const int32_t middle = half / 2;
    const float first = z[0].re + z[0].im;
    const float last = z[0].re - z[0].im;
    const float first_power = tflm_ext_product(first, first);
    const float last_power = tflm_ext_product(last, last);

    power[middle * stride] =
        tflm_ext_float_power(z[middle].re + z[middle].re, z[middle].im + z[middle].im);
    power[0] = first_power + first_power;
    power[half * stride] = last_power + last_power;
    for (int32_t k = 1; k < middle; ++k) {
        const float c = split[2 * (k - 1)];
        const float s = split[(2 * (k - 1)) + 1];
        const tflm_ext_complex_t a = z[k];
        const tflm_ext_complex_t b = z[half - k];
        const float even_re = a.re + b.re;
        const float even_im = a.im - b.im;
        const float odd_re = a.im + b.im;
        const float odd_im = a.re - b.re;
        const float turned_re = tflm_ext_subtract_product(tflm_ext_product(c, odd_re), s, odd_im);
        const float turned_im = tflm_ext_add_product(tflm_ext_product(c, odd_im), s, odd_re);

        power[k * stride] = tflm_ext_float_power(even_re + turned_re, even_im - turned_im);
        power[(half - k) * stride] =
            tflm_ext_float_power(even_re - turned_re, even_im + turned_im);
    }
}

#endif
