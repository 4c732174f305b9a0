/* SPDX-License-Identifier: 0BSD */
/* The squared distance of features, in deviations, to the nearest of several centres. */
#ifndef TFLM_EXT_K_MEANS_H
#define TFLM_EXT_K_MEANS_H

#include "arithmetic.h"
#include "standardize.h"

typedef struct {
    int32_t count;  /* features */
    int32_t shift;  /* of standardized features, so that sums of their products fit */
    int32_t groups; /* of four centres */
} tflm_ext_k_means_int16_t;

typedef tflm_ext_k_means_int16_t tflm_ext_k_means_int8_t;

/* Standardizes the features, as pairs, and returns the sum of their squares. */
static inline int32_t tflm_ext_k_means_pairs(const tflm_ext_k_means_int16_t *op,
                                             const int16_t *wide, const int8_t *narrow,
                                             const int32_t *standards, uint32_t *pairs)
{
    uint32_t squares = 0U;

    for (int32_t i = 0; i < op->count; i += 2) {
        const int32_t first = tflm_ext_standardized(tflm_ext_feature(wide, narrow, i),
                                                    standards[2 * i], standards[(2 * i) + 1]);
        int32_t second = 0;
        if ((i + 1) < op->count) {
            second = tflm_ext_standardized(tflm_ext_feature(wide, narrow, i + 1),
                                           standards[(2 * i) + 2], standards[(2 * i) + 3]);
        }

        const uint32_t pair = tflm_ext_pair(first >> op->shift, second >> op->shift);
        squares = tflm_ext_smlad(pair, pair, squares);
        pairs[i / 2] = pair;
    }
    return (int32_t)squares;
}

/*
 * |z - c|^2 = |z|^2 + (|c|^2 - 2 z * c), with the smallest bracket. Centres come in groups of four,
 * as pairs: the first pair of each centre, then the second ones, and so on.
 */
static inline int32_t tflm_ext_k_means_nearest(const tflm_ext_k_means_int16_t *op,
                                               const int32_t *centres, const int32_t *norms,
                                               const uint32_t *pairs)
{
    const int32_t *const end = &norms[4 * op->groups];
    int32_t nearest = INT32_MAX;

    for (; norms != end; norms = &norms[4]) {
        uint32_t product0 = 0U;
        uint32_t product1 = 0U;
        uint32_t product2 = 0U;
        uint32_t product3 = 0U;

        for (int32_t i = 0; i < ((op->count + 1) / 2); ++i) {
            const uint32_t pair = pairs[i];

            product0 = tflm_ext_smlad(pair, (uint32_t)centres[0], product0);
            product1 = tflm_ext_smlad(pair, (uint32_t)centres[1], product1);
            product2 = tflm_ext_smlad(pair, (uint32_t)centres[2], product2);
            product3 = tflm_ext_smlad(pair, (uint32_t)centres[3], product3);
            centres = &centres[4];
        }
        nearest = tflm_ext_min(nearest, norms[0] - (2 * (int32_t)product0));
        nearest = tflm_ext_min(nearest, norms[1] - (2 * (int32_t)product1));
        nearest = tflm_ext_min(nearest, norms[2] - (2 * (int32_t)product2));
        nearest = tflm_ext_min(nearest, norms[3] - (2 * (int32_t)product3));
    }
    return nearest;
}

static inline void tflm_ext_k_means_int16(const tflm_ext_k_means_int16_t *op, const int16_t *input,
                                          const int32_t *standards, const int32_t *centres,
                                          const int32_t *norms, uint32_t *pairs, int32_t *score)
{
    const int32_t squares = tflm_ext_k_means_pairs(op, input, NULL, standards, pairs);

    *score = squares + tflm_ext_k_means_nearest(op, centres, norms, pairs);
}

static inline void tflm_ext_k_means_int8(const tflm_ext_k_means_int8_t *op, const int8_t *input,
                                         const int32_t *standards, const int32_t *centres,
                                         const int32_t *norms, uint32_t *pairs, int32_t *score)
{
    const int32_t squares = tflm_ext_k_means_pairs(op, NULL, input, standards, pairs);

    *score = squares + tflm_ext_k_means_nearest(op, centres, norms, pairs);
}

#endif
