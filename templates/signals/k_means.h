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

/* Two features, from feature i on. */
static inline uint32_t tflm_ext_feature_pair(const void *features, bool narrow, int32_t i)
{
    if (narrow) {
        const int8_t *const bytes = (const int8_t *)features;
        return tflm_ext_pair(bytes[i], bytes[i + 1]);
    }
    return tflm_ext_load_pair(&((const int16_t *)features)[i]);
}

/* Four features, from feature i on, as two pairs; of int8, the first and the third are a pair. */
static inline void tflm_ext_feature_pairs(const void *features, bool narrow, int32_t i,
                                          uint32_t *first, uint32_t *second)
{
    if (narrow) {
        uint32_t four;

        (void)memcpy(&four, &((const int8_t *)features)[i], sizeof four);
        *first = tflm_ext_sxtb16(four);
        *second = tflm_ext_sxtb16_ror8(four);
    } else {
        const int16_t *const values = &((const int16_t *)features)[i];

        *first = tflm_ext_load_pair(values);
        *second = tflm_ext_load_pair(&values[2]);
    }
}

/* The next four words; an instruction loads them if their registers have consecutive numbers. */
static inline void tflm_ext_k_means_four(const int32_t **words, int32_t *four)
{
#if TFLM_EXT_DSP
    const int32_t *next = *words;
    register int32_t first __asm__("r0");
    register int32_t second __asm__("r1");
    register int32_t third __asm__("r2");
    register int32_t fourth __asm__("r3");
    __asm__("ldmia %4!, {r0, r1, r2, r3}"
            : "=r"(first), "=r"(second), "=r"(third), "=r"(fourth), "+r"(next)
            :
            : "memory");
    four[0] = first;
    four[1] = second;
    four[2] = third;
    four[3] = fourth;
    *words = next;
#else
    (void)memcpy(four, *words, 4U * sizeof *four);
    *words = &(*words)[4];
#endif
}

/* Stores two words; GCC would use two instructions. */
static inline void tflm_ext_k_means_store(uint32_t **words, uint32_t first, uint32_t second)
{
#if TFLM_EXT_DSP
    uint32_t *next = *words;
    __asm__("strd %1, %2, [%0], #8" : "+r"(next) : "r"(first), "r"(second) : "memory");
    *words = next;
#else
    (*words)[0] = first;
    (*words)[1] = second;
    *words = &(*words)[2];
#endif
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
                                             const int32_t **lines)
{
    int32_t own[4];

    tflm_ext_k_means_four(lines, own);
    return tflm_ext_pair(tflm_ext_k_means_limited(tflm_ext_smlawb(own[0], two, own[1]), op->bits),
                         tflm_ext_k_means_limited(tflm_ext_smlawt(own[2], two, own[3]), op->bits));
}

/* Adds the products of two coordinates with those of the next four centres. */
static inline void tflm_ext_k_means_add(uint32_t pair, const int32_t **centres, uint32_t *sums)
{
    int32_t own[4];

    tflm_ext_k_means_four(centres, own);
    sums[0] = tflm_ext_smlad(pair, (uint32_t)own[0], sums[0]);
    sums[1] = tflm_ext_smlad(pair, (uint32_t)own[1], sums[1]);
    sums[2] = tflm_ext_smlad(pair, (uint32_t)own[2], sums[2]);
    sums[3] = tflm_ext_smlad(pair, (uint32_t)own[3], sums[3]);
}

/* The smallest of four sums. */
static inline int32_t tflm_ext_k_means_least(const uint32_t *sums)
{
    return tflm_ext_min(tflm_ext_min((int32_t)sums[0], (int32_t)sums[1]),
                        tflm_ext_min((int32_t)sums[2], (int32_t)sums[3]));
}

/* Turns four features into coordinates, and adds their squares. */
static inline void tflm_ext_k_means_next(const tflm_ext_k_means_int16_t *op, const void *features,
                                         bool narrow, int32_t i, const int32_t **lines,
                                         uint32_t **pairs, uint32_t *squares)
{
    uint32_t first;
    uint32_t second;

    tflm_ext_feature_pairs(features, narrow, i, &first, &second);
    first = tflm_ext_k_means_pair(op, first, lines);
    second = tflm_ext_k_means_pair(op, second, lines);
    *squares = tflm_ext_smlad(second, second, tflm_ext_smlad(first, first, *squares));
    tflm_ext_k_means_store(pairs, first, second);
}

/* Turns features into `pairs` of coordinates, and returns the sum of their squares. */
static inline uint32_t tflm_ext_k_means_pairs(const tflm_ext_k_means_int16_t *op,
                                              const void *features, bool narrow,
                                              const int32_t *lines, uint32_t *pairs)
{
    const int32_t whole = op->count / 2;
    uint32_t squares = 0U;
    int32_t i = 0;

    for (int32_t left = whole / 4; left > 0; --left) {
        tflm_ext_k_means_next(op, features, narrow, 2 * i, &lines, &pairs, &squares);
        tflm_ext_k_means_next(op, features, narrow, (2 * i) + 4, &lines, &pairs, &squares);
        i += 4;
    }
    for (int32_t left = whole % 4; left > 0; --left) {
        *pairs = tflm_ext_k_means_pair(op, tflm_ext_feature_pair(features, narrow, 2 * i), &lines);
        squares = tflm_ext_smlad(*pairs, *pairs, squares);
        ++pairs;
        ++i;
    }
    if ((op->count % 2) != 0) {
        const int32_t last = tflm_ext_feature(features, narrow, op->count - 1);

        *pairs = tflm_ext_k_means_pair(op, tflm_ext_pair(last, 0), &lines);
        squares = tflm_ext_smlad(*pairs, *pairs, squares);
    }
    return squares;
}

/*
 * |z - c|^2 = |z|^2 + (|c|^2 - 2 z * c), with the smallest bracket. Centres are stored as -2 c and
 * come in groups of four, as pairs: the first pair of each centre, then the second ones, and so on.
 * If there are an odd number of features, `lines` ends with zeros, which make the last coordinate 0.
 * Tables are in the order of the pairs, which is another one for int8: see above.
 */
static inline int32_t tflm_ext_k_means(const tflm_ext_k_means_int16_t *op, const void *features,
                                       bool narrow, const int32_t *lines, const int32_t *centres,
                                       const int32_t *norms, uint32_t *pairs)
{
    const int32_t squares = (int32_t)tflm_ext_k_means_pairs(op, features, narrow, lines, pairs);
    const int32_t all = (op->count + 1) / 2;
    int32_t least = INT32_MAX;

    for (int32_t group = 0; group < op->groups; ++group) {
        uint32_t sums[4] = { (uint32_t)norms[0], (uint32_t)norms[1], (uint32_t)norms[2],
                             (uint32_t)norms[3] };
        const uint32_t *next = pairs;

        for (int32_t left = all / 4; left > 0; --left) {
            tflm_ext_k_means_add(next[0], &centres, sums);
            tflm_ext_k_means_add(next[1], &centres, sums);
            tflm_ext_k_means_add(next[2], &centres, sums);
            tflm_ext_k_means_add(next[3], &centres, sums);
            next = &next[4];
        }
        for (int32_t left = all % 4; left > 0; --left) {
            tflm_ext_k_means_add(*next, &centres, sums);
            ++next;
        }
        least = tflm_ext_min(least, tflm_ext_k_means_least(sums));
        norms = &norms[4];
    }
    return squares + least;
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
