/* SPDX-License-Identifier: 0BSD */
/*
 * The power spectrum of real samples in float32, with every operation in a fixed order. A complex
 * number is a real part and an imaginary part, one after another. Tables are made during the
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
    int32_t half;       /* complex points: half as many as real samples */
    int32_t length;     /* samples with a weight; zeros follow up to 2 * half */
    int32_t channels;   /* whose samples alternate */
    int32_t zero_point; /* of the samples */
    int32_t radix_2;    /* 1: the first pass has radix 2; otherwise all have radix 4 */
} tflm_ext_fft_float_t;

static inline tflm_ext_complex_t tflm_ext_complex(const float *z)
{
    const tflm_ext_complex_t loaded = { z[0], z[1] };
    return loaded;
}

/* Combines four numbers; the results go to `z`, one after another `step` floats further on. */
static inline void tflm_ext_float_radix_4(float *z, int32_t step, tflm_ext_complex_t a,
                                          tflm_ext_complex_t b, tflm_ext_complex_t c,
                                          tflm_ext_complex_t d)
{
    float *const second = &z[step];
    float *const third = &second[step];
    float *const fourth = &third[step];
    const tflm_ext_complex_t sum_ac = { a.re + c.re, a.im + c.im };
    const tflm_ext_complex_t rest_ac = { a.re - c.re, a.im - c.im };
    const tflm_ext_complex_t sum_bd = { b.re + d.re, b.im + d.im };
    const tflm_ext_complex_t rest_bd = { b.re - d.re, b.im - d.im };

    z[0] = sum_ac.re + sum_bd.re;
    z[1] = sum_ac.im + sum_bd.im;
    second[0] = rest_ac.re + rest_bd.im;
    second[1] = rest_ac.im - rest_bd.re;
    third[0] = sum_ac.re - sum_bd.re;
    third[1] = sum_ac.im - sum_bd.im;
    fourth[0] = rest_ac.re - rest_bd.im;
    fourth[1] = rest_ac.im + rest_bd.re;
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

/* Sample number at + i, weighted; 0 if there are fewer. */
static inline float tflm_ext_float_sample(const tflm_ext_fft_float_t *op, const int16_t *input,
                                          const float *window, int32_t at, int32_t i)
{
    if ((op->length < (2 * op->half)) && ((at + i) >= op->length)) {
        return 0.0f;
    }
    const int16_t *const samples = &input[at * op->channels];
    const float *const weights = &window[at];

    return tflm_ext_product((float)(samples[i * op->channels] - op->zero_point), weights[i]);
}

/* Two samples as a complex number. */
static inline tflm_ext_complex_t tflm_ext_float_pair(const tflm_ext_fft_float_t *op,
                                                     const int16_t *input, const float *window,
                                                     int32_t at, int32_t i)
{
    const tflm_ext_complex_t pair = { tflm_ext_float_sample(op, input, window, at, i),
                                      tflm_ext_float_sample(op, input, window, at, i + 1) };
    return pair;
}

/* Weights the samples, and makes the first pass. */
static inline void tflm_ext_float_first(const tflm_ext_fft_float_t *op, const int16_t *input,
                                        const float *window, const int16_t *order, float *z)
{
    const int32_t half = op->half;
    const int32_t radix = (op->radix_2 != 0) ? 2 : 4;

    for (int32_t i = 0; i < half; i += radix) {
        const int32_t at = 2 * order[i / radix];
        const tflm_ext_complex_t a = tflm_ext_float_pair(op, input, window, at, 0);
        const tflm_ext_complex_t c = tflm_ext_float_pair(op, input, window, at, half);

        if (radix == 2) {
            z[0] = a.re + c.re;
            z[1] = a.im + c.im;
            z[2] = a.re - c.re;
            z[3] = a.im - c.im;
        } else {
            tflm_ext_float_radix_4(z, 2, a, tflm_ext_float_pair(op, input, window, at, half / 2), c,
                                   tflm_ext_float_pair(op, input, window, at, half + (half / 2)));
        }
        z = &z[2 * radix];
    }
}

/*
 * Weights samples and transforms them, taken as `half` complex numbers. `order` has the first
 * number for each butterfly of the first pass, `turns` six factors for each place of each other
 * pass, except the first place.
 */
static inline void tflm_ext_float_fft(const tflm_ext_fft_float_t *op, const int16_t *input,
                                      const float *window, const int16_t *order, const float *turns,
                                      float *z)
{
    const float *const end = &z[2 * op->half];

    tflm_ext_float_first(op, input, window, order, z);
    for (int32_t length = (op->radix_2 != 0) ? 2 : 4; length < op->half; length *= 4) {
        const int32_t step = 2 * length;

        for (float *a = z; a < end; a = &a[4 * step]) {
            const float *const b = &a[step];
            const float *const c = &b[step];
            const float *const d = &c[step];

            tflm_ext_float_radix_4(a, step, tflm_ext_complex(a), tflm_ext_complex(b),
                                   tflm_ext_complex(c), tflm_ext_complex(d));
        }
        for (int32_t j = 1; j < length; ++j) {
            const float cos1 = turns[0];
            const float sin1 = turns[1];
            const float cos2 = turns[2];
            const float sin2 = turns[3];
            const float cos3 = turns[4];
            const float sin3 = turns[5];

            turns = &turns[6];
            for (float *a = &z[2 * j]; a < end; a = &a[4 * step]) {
                const float *const b = &a[step];
                const float *const c = &b[step];
                const float *const d = &c[step];

                tflm_ext_float_radix_4(a, step, tflm_ext_complex(a),
                                       tflm_ext_float_turned(tflm_ext_complex(b), cos1, sin1),
                                       tflm_ext_float_turned(tflm_ext_complex(c), cos2, sin2),
                                       tflm_ext_float_turned(tflm_ext_complex(d), cos3, sin3));
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
static inline void tflm_ext_float_split(int32_t half, const float *split, const float *z,
                                        float *power, int32_t stride)
{
    const int32_t middle = half / 2;
    const tflm_ext_complex_t center = tflm_ext_complex(&z[2 * middle]);
    const float first = z[0] + z[1];
    const float last = z[0] - z[1];
    const float first_power = tflm_ext_product(first, first);
    const float last_power = tflm_ext_product(last, last);

    power[middle * stride] = tflm_ext_float_power(center.re + center.re, center.im + center.im);
    power[0] = first_power + first_power;
    power[half * stride] = last_power + last_power;
    for (int32_t k = 1; k < middle; ++k) {
        const float c = split[2 * (k - 1)];
        const float s = split[(2 * (k - 1)) + 1];
        const tflm_ext_complex_t a = tflm_ext_complex(&z[2 * k]);
        const tflm_ext_complex_t b = tflm_ext_complex(&z[2 * (half - k)]);
        const float even_re = a.re + b.re;
        const float even_im = a.im - b.im;
        const float odd_re = a.im + b.im;
        const float odd_im = a.re - b.re;
        const float turned_re = tflm_ext_subtract_product(tflm_ext_product(c, odd_re), s, odd_im);
        const float turned_im = tflm_ext_add_product(tflm_ext_product(c, odd_im), s, odd_re);

        power[k * stride] = tflm_ext_float_power(even_re + turned_re, even_im - turned_im);
        power[(half - k) * stride] = tflm_ext_float_power(even_re - turned_re, even_im + turned_im);
    }
}

#endif
