/* SPDX-License-Identifier: 0BSD */
/*
 * The real Fourier transform of int16 samples of TensorFlow Lite Micro's signal library (KISS FFT
 * in fixed point), bit for bit. Every pass divides by its radix, so the result is divided by the
 * number of samples. Tables are made during the export; nothing is computed at start.
 */
#ifndef TFLM_EXT_FFT_INT16_H
#define TFLM_EXT_FFT_INT16_H

#include "pairs.h"

typedef struct {
    int32_t half;    /* complex points: half as many as real samples */
    int32_t radix_2; /* 1: the first pass has radix 2; otherwise all have radix 4 */
    int32_t wide;    /* 1: a place in `order` has two bytes, the low one first; otherwise one */
} tflm_ext_fft_int16_t;

/* Combines four pairs, `step` apart, that have been scaled and turned. */
static inline void tflm_ext_fft_radix_4(uint32_t *z, int32_t step, uint32_t a, uint32_t b,
                                        uint32_t c, uint32_t d)
{
    const uint32_t sum_ac = tflm_ext_sadd16(a, c);
    const uint32_t rest_ac = tflm_ext_ssub16(a, c);
    const uint32_t sum_bd = tflm_ext_sadd16(b, d);
    const uint32_t rest_bd = tflm_ext_ssub16(b, d);

    z[0] = tflm_ext_sadd16(sum_ac, sum_bd);
    z[step] = tflm_ext_ssax(rest_ac, rest_bd);
    z[2 * step] = tflm_ext_ssub16(sum_ac, sum_bd);
    z[3 * step] = tflm_ext_sasx(rest_ac, rest_bd);
}

/* Takes the pair that belongs to place i of the permuted order, shifted left and scaled. */
static inline uint32_t tflm_ext_fft_take(const tflm_ext_fft_int16_t *op, const uint8_t *order,
                                         int32_t i, int32_t factor, uint32_t *z)
{
    const int32_t from =
        (op->wide != 0) ? (order[2 * i] + (256 * order[(2 * i) + 1])) : (int32_t)order[i];
    const uint32_t pair = z[from];

    z[from] = z[i];
    return tflm_ext_pair_of_sums(tflm_ext_mla(tflm_ext_low(pair), factor, TFLM_EXT_HALF),
                                 tflm_ext_mla(tflm_ext_high(pair), factor, TFLM_EXT_HALF));
}

/*
 * Transforms `half` complex numbers in place, after shifting them left by `bits`, which must not
 * overflow. `order` tells with which later one to swap each number; `turns` has the factors of the
 * last pass, three for each number of its first quarter. Those of other passes are among them.
 */
static inline void tflm_ext_fft_complex(const tflm_ext_fft_int16_t *op, const uint8_t *order,
                                        const int32_t *turns, int32_t bits, uint32_t *z)
{
    const int32_t half = op->half;
    int32_t length;

    if (op->radix_2 != 0) {
        for (int32_t i = 0; i < half; i += 2) {
            const uint32_t a = tflm_ext_fft_take(op, order, i, 16383 * (1 << bits), z);
            const uint32_t b = tflm_ext_fft_take(op, order, i + 1, 16383 * (1 << bits), z);
            z[i] = tflm_ext_sadd16(a, b);
            z[i + 1] = tflm_ext_ssub16(a, b);
        }
        length = 2;
    } else {
        for (int32_t i = 0; i < half; i += 4) {
            const uint32_t a = tflm_ext_fft_take(op, order, i, 8191 * (1 << bits), z);
            const uint32_t b = tflm_ext_fft_take(op, order, i + 1, 8191 * (1 << bits), z);
            const uint32_t c = tflm_ext_fft_take(op, order, i + 2, 8191 * (1 << bits), z);
            const uint32_t d = tflm_ext_fft_take(op, order, i + 3, 8191 * (1 << bits), z);
            tflm_ext_fft_radix_4(&z[i], 1, a, b, c, d);
        }
        length = 4;
    }
    for (; length < half; length *= 4) {
        const int32_t groups = half / (4 * length);

        for (int32_t j = 0; j < length; ++j) {
            const int32_t *const turn = &turns[3 * groups * j];

            for (int32_t k = j; k < half; k += 4 * length) {
                uint32_t *const p = &z[k];
                const uint32_t a = tflm_ext_pair_scaled(p[0], 8191U);
                const uint32_t b = tflm_ext_pair_scaled(p[length], 8191U);
                const uint32_t c = tflm_ext_pair_scaled(p[2 * length], 8191U);
                const uint32_t d = tflm_ext_pair_scaled(p[3 * length], 8191U);

                tflm_ext_fft_radix_4(p, length, a, tflm_ext_pair_turned(b, turn[0]),
                                     tflm_ext_pair_turned(c, turn[1]),
                                     tflm_ext_pair_turned(d, turn[2]));
            }
        }
    }
}

/*
 * Turns the transform of samples taken as complex numbers into that of real samples, in place:
 * half + 1 pairs. Pairs 1 to from - 1, and those as far from the end, are left as they are.
 */
static inline void tflm_ext_fft_split(const tflm_ext_fft_int16_t *op, const int32_t *split,
                                      int32_t from, uint32_t *z)
{
    const int32_t half = op->half;
    const uint32_t first = tflm_ext_pair_scaled(z[0], 16383U);
    const int32_t real = tflm_ext_low(first);
    const int32_t imaginary = tflm_ext_high(first);

    z[0] = (uint32_t)(real + imaginary) & 0xFFFFU;
    z[half] = (uint32_t)(real - imaginary) & 0xFFFFU;
    for (int32_t k = from; k <= (half / 2); ++k) {
        const uint32_t a = tflm_ext_pair_scaled(z[k], 16383U);
        const uint32_t b = tflm_ext_pair_scaled(tflm_ext_pair_conjugate(z[half - k]), 16383U);
        const uint32_t sum = tflm_ext_sadd16(a, b);
        const uint32_t turned = tflm_ext_pair_turned(tflm_ext_ssub16(a, b), split[k - 1]);

        z[k] = tflm_ext_shadd16(sum, turned);
        z[half - k] =
            tflm_ext_pair_low_high(tflm_ext_shsub16(sum, turned), tflm_ext_shsub16(turned, sum));
    }
}

#endif
