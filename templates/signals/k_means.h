/* SPDX-License-Identifier: 0BSD */
/* The squared distance of features, in deviations, to the nearest of several centres. */
#ifndef TFLM_EXT_K_MEANS_H
#define TFLM_EXT_K_MEANS_H

#include "arithmetic.h"
#include "standardize.h"

typedef struct {
    int32_t count;  /* features */
    int32_t bits;   /* of a coordinate, 12 or 9, so that sums of squares fit */
    int32_t groups; /* of four centres */
} tflm_ext_k_means_int16_t;

typedef tflm_ext_k_means_int16_t tflm_ext_k_means_int8_t;

/* Two consecutive features. */
static inline uint32_t tflm_ext_feature_pair(const void *features, bool narrow, int32_t i)
{
    if (narrow) {
        const int8_t *const bytes = (const int8_t *)features;
        return tflm_ext_pair(bytes[i], bytes[i + 1]);
    }
    return tflm_ext_load_pair(&((const int16_t *)features)[i]);
}

/* Limited to 12 or 9 bits with a sign. */
static inline int32_t tflm_ext_k_means_limited(int32_t value, int32_t bits)
{
#if TFLM_EXT_DSP
    int32_t result;
    if (bits == 12) {
        __asm__("ssat %0, #12, %1" : "=r"(result) : "r"(value));
    } else {
        __asm__("ssat %0, #9, %1" : "=r"(result) : "r"(value));
    }
    return result;
#else
    const int32_t limit = (int32_t)1 << (bits - 1);
    return tflm_ext_clamp(value, -limit, limit - 1);
#endif
}

/* Two features as coordinates: factor * feature / 2^16 + offset, rounded down and limited. */
static inline uint32_t tflm_ext_k_means_pair(const tflm_ext_k_means_int16_t *op, uint32_t two,
                                             const int32_t *lines)
{
    const int32_t first = tflm_ext_smlawb(lines[0], two, lines[1]);
    const int32_t second = tflm_ext_smlawt(lines[2], two, lines[3]);

    return tflm_ext_pair(tflm_ext_k_means_limited(first, op->bits),
                         tflm_ext_k_means_limited(second, op->bits));
}

/* Adds the products of two coordinates with those of four centres. */
static inline void tflm_ext_k_means_add(uint32_t pair, const int32_t *centres, uint32_t *products)
{
    products[0] = tflm_ext_smlad(pair, (uint32_t)centres[0], products[0]);
    products[1] = tflm_ext_smlad(pair, (uint32_t)centres[1], products[1]);
    products[2] = tflm_ext_smlad(pair, (uint32_t)centres[2], products[2]);
    products[3] = tflm_ext_smlad(pair, (uint32_t)centres[3], products[3]);
}

/* The smallest |c|^2 - 2 z * c of four centres. */
static inline int32_t tflm_ext_k_means_least(const int32_t *norms, const uint32_t *products)
{
    const int32_t least01 =
        tflm_ext_min(norms[0] - (2 * (int32_t)products[0]), norms[1] - (2 * (int32_t)products[1]));
    const int32_t least23 =
        tflm_ext_min(norms[2] - (2 * (int32_t)products[2]), norms[3] - (2 * (int32_t)products[3]));

    return tflm_ext_min(least01, least23);
}

/*
 * |z - c|^2 = |z|^2 + (|c|^2 - 2 z * c), with the smallest bracket. Centres come in groups of four,
 * as pairs: the first pair of each centre, then the second ones, and so on. If there are an odd
 * number of features, `lines` ends with zeros, which make the last coordinate 0.
 */
static inline int32_t tflm_ext_k_means(const tflm_ext_k_means_int16_t *op, const void *features,
                                       bool narrow, const int32_t *lines, const int32_t *centres,
                                       const int32_t *norms, uint32_t *pairs)
{
    const int32_t whole = op->count / 2;
    const int32_t all = (op->count + 1) / 2;
    uint32_t first[4] = { 0U, 0U, 0U, 0U };
    uint32_t squares = 0U;

    for (int32_t i = 0; i < all; ++i) {
        const uint32_t two = (i < whole)
                                 ? tflm_ext_feature_pair(features, narrow, 2 * i)
                                 : tflm_ext_pair(tflm_ext_feature(features, narrow, 2 * i), 0);
        const uint32_t pair = tflm_ext_k_means_pair(op, two, &lines[4 * i]);

        if (op->groups > 1) {
            pairs[i] = pair;
        }
        squares = tflm_ext_smlad(pair, pair, squares);
        tflm_ext_k_means_add(pair, centres, first);
        centres = &centres[4];
    }

    int32_t least = tflm_ext_k_means_least(norms, first);
    for (int32_t group = 1; group < op->groups; ++group) {
        uint32_t products[4] = { 0U, 0U, 0U, 0U };

        for (int32_t i = 0; i < all; ++i) {
            tflm_ext_k_means_add(pairs[i], centres, products);
            centres = &centres[4];
        }
        least = tflm_ext_min(least, tflm_ext_k_means_least(&norms[4 * group], products));
    }
    return (int32_t)squares + least;
}

static inline void tflm_ext_k_means_int16(const tflm_ext_k_means_int16_t *op, const int16_t *input,
                                          const int32_t *lines, const int32_t *centres,
                                          const int32_t *norms, uint32_t *pairs, int32_t *score)
{
    *score = tflm_ext_k_means(op, input, false, lines, centres, norms, pairs);
}

static inline void tflm_ext_k_means_int8(const tflm_ext_k_means_int8_t *op, const int8_t *input,
                                         const int32_t *lines, const int32_t *centres,
                                         const int32_t *norms, uint32_t *pairs, int32_t *score)
{
    *score = tflm_ext_k_means(op, input, true, lines, centres, norms, pairs);
}

#endif
