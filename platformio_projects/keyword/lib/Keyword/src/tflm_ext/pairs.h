/* SPDX-License-Identifier: 0BSD */
/*
 * Arithmetic of pairs of int16: instructions of the Cortex-M DSP extension, and portable C with the
 * same results. A pair is a word, the first number in the low half; in Fourier transforms it is a
 * complex number whose real part is in the low half.
 */
#ifndef TFLM_EXT_PAIRS_H
#define TFLM_EXT_PAIRS_H

#include "dsp.h"

/* Two int16 of memory as a pair. */
static inline uint32_t tflm_ext_load_pair(const int16_t *values)
{
    uint32_t pair;
    (void)memcpy(&pair, values, sizeof pair);
    return pair;
}

#if TFLM_EXT_DSP

/* Two int16 in a word. */
static inline uint32_t tflm_ext_pair(int32_t low, int32_t high)
{
    uint32_t result;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(low), "r"(high));
    return result;
}

#define TFLM_EXT_PAIR_2(name)                                                                      \
    static inline uint32_t tflm_ext_##name(uint32_t a, uint32_t b)                                 \
    {                                                                                              \
        uint32_t result;                                                                           \
        __asm__(#name " %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));                              \
        return result;                                                                             \
    }

/* Half by half: sum, difference, and the same halved, rounded down. */
TFLM_EXT_PAIR_2(sadd16)
TFLM_EXT_PAIR_2(ssub16)
TFLM_EXT_PAIR_2(shadd16)
TFLM_EXT_PAIR_2(shsub16)
/* a + i * b and a - i * b. */
TFLM_EXT_PAIR_2(sasx)
TFLM_EXT_PAIR_2(ssax)

/* The low half of a, and the high half of b. */
static inline uint32_t tflm_ext_pair_low_high(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("pkhbt %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

/* The magnitudes, of which that of -32768 is 0x8000. */
static inline uint32_t tflm_ext_pair_magnitudes(uint32_t a)
{
    uint32_t result;
    __asm__("ssub16 %0, %1, %2\n\tsel %0, %0, %2" : "=&r"(result) : "r"(0), "r"(a) : "cc");
    return result;
}

/* a.low * b.low - a.high * b.high + sum, modulo 2^32. */
static inline int32_t tflm_ext_smlsd(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlsd %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* a.low * b.high + a.high * b.low + sum, modulo 2^32. */
static inline int32_t tflm_ext_smladx(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smladx %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* a.low * b.low + sum, modulo 2^32. */
static inline int32_t tflm_ext_smlabb(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* a * b + sum, modulo 2^32. */
static inline int32_t tflm_ext_mla(int32_t a, int32_t b, int32_t sum)
{
    int32_t result;
    __asm__("mla %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + a.low * b.low + a.high * b.high. */
static inline int64_t tflm_ext_smlald(uint32_t a, uint32_t b, int64_t sum)
{
    __asm__("smlald %Q0, %R0, %1, %2" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* Half by half, the larger and the smaller of two. */
static inline uint32_t tflm_ext_pair_max(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub16 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

static inline uint32_t tflm_ext_pair_min(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub16 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

/* The middle 16 bits, from bit 15 on, of two sums as a pair. */
static inline uint32_t tflm_ext_pair_of_sums(int32_t low, int32_t high)
{
    uint32_t result;
    __asm__("pkhtb %0, %1, %2, asr #15" : "=r"(result) : "r"((uint32_t)high << 1), "r"(low));
    return result;
}

#else

static inline uint32_t tflm_ext_sadd16(uint32_t a, uint32_t b)
{
    return tflm_ext_pair(tflm_ext_low(a) + tflm_ext_low(b), tflm_ext_high(a) + tflm_ext_high(b));
}

static inline uint32_t tflm_ext_ssub16(uint32_t a, uint32_t b)
{
    return tflm_ext_pair(tflm_ext_low(a) - tflm_ext_low(b), tflm_ext_high(a) - tflm_ext_high(b));
}

static inline uint32_t tflm_ext_shadd16(uint32_t a, uint32_t b)
{
    return tflm_ext_pair((tflm_ext_low(a) + tflm_ext_low(b)) >> 1,
                         (tflm_ext_high(a) + tflm_ext_high(b)) >> 1);
}

static inline uint32_t tflm_ext_shsub16(uint32_t a, uint32_t b)
{
    return tflm_ext_pair((tflm_ext_low(a) - tflm_ext_low(b)) >> 1,
                         (tflm_ext_high(a) - tflm_ext_high(b)) >> 1);
}

static inline uint32_t tflm_ext_sasx(uint32_t a, uint32_t b)
{
    return tflm_ext_pair(tflm_ext_low(a) - tflm_ext_high(b), tflm_ext_high(a) + tflm_ext_low(b));
}

static inline uint32_t tflm_ext_ssax(uint32_t a, uint32_t b)
{
    return tflm_ext_pair(tflm_ext_low(a) + tflm_ext_high(b), tflm_ext_high(a) - tflm_ext_low(b));
}

static inline uint32_t tflm_ext_pair_low_high(uint32_t a, uint32_t b)
{
    return (a & 0xFFFFU) | (b & 0xFFFF0000U);
}

static inline uint32_t tflm_ext_pair_magnitudes(uint32_t a)
{
    const int32_t low = tflm_ext_low(a);
    const int32_t high = tflm_ext_high(a);

    return tflm_ext_pair((low < 0) ? -low : low, (high < 0) ? -high : high);
}

static inline int32_t tflm_ext_smlsd(uint32_t a, uint32_t b, int32_t sum)
{
    return (tflm_ext_low(a) * tflm_ext_low(b)) - (tflm_ext_high(a) * tflm_ext_high(b)) + sum;
}

static inline int32_t tflm_ext_smladx(uint32_t a, uint32_t b, int32_t sum)
{
    return (tflm_ext_low(a) * tflm_ext_high(b)) + (tflm_ext_high(a) * tflm_ext_low(b)) + sum;
}

static inline int32_t tflm_ext_smlabb(uint32_t a, uint32_t b, int32_t sum)
{
    return (tflm_ext_low(a) * tflm_ext_low(b)) + sum;
}

static inline int32_t tflm_ext_mla(int32_t a, int32_t b, int32_t sum)
{
    return (int32_t)(((uint32_t)a * (uint32_t)b) + (uint32_t)sum);
}

static inline int64_t tflm_ext_smlald(uint32_t a, uint32_t b, int64_t sum)
{
    return sum + ((int64_t)tflm_ext_low(a) * tflm_ext_low(b)) +
           ((int64_t)tflm_ext_high(a) * tflm_ext_high(b));
}

static inline uint32_t tflm_ext_pair_max(uint32_t a, uint32_t b)
{
    const int32_t low = (tflm_ext_low(a) > tflm_ext_low(b)) ? tflm_ext_low(a) : tflm_ext_low(b);
    const int32_t high =
        (tflm_ext_high(a) > tflm_ext_high(b)) ? tflm_ext_high(a) : tflm_ext_high(b);
    return tflm_ext_pair(low, high);
}

static inline uint32_t tflm_ext_pair_min(uint32_t a, uint32_t b)
{
    const int32_t low = (tflm_ext_low(a) < tflm_ext_low(b)) ? tflm_ext_low(a) : tflm_ext_low(b);
    const int32_t high =
        (tflm_ext_high(a) < tflm_ext_high(b)) ? tflm_ext_high(a) : tflm_ext_high(b);
    return tflm_ext_pair(low, high);
}

static inline uint32_t tflm_ext_pair_of_sums(int32_t low, int32_t high)
{
    return tflm_ext_pair(low >> 15, high >> 15);
}

#endif

#define TFLM_EXT_HALF 16384 /* rounds a sum with 15 fraction bits */

/* A pair times factor / 2^15, halves rounded up; 0 <= factor <= 32767. */
static inline uint32_t tflm_ext_pair_scaled(uint32_t a, uint32_t factor)
{
    return tflm_ext_pair_of_sums(tflm_ext_smlabb(a, factor, TFLM_EXT_HALF),
                                 (int32_t)tflm_ext_smlatb(a, factor, TFLM_EXT_HALF));
}

/* The product of complex numbers / 2^15, halves rounded up; the second one is on the unit circle. */
static inline uint32_t tflm_ext_pair_turned(uint32_t a, int32_t turn)
{
    return tflm_ext_pair_of_sums(tflm_ext_smlsd(a, (uint32_t)turn, TFLM_EXT_HALF),
                                 tflm_ext_smladx(a, (uint32_t)turn, TFLM_EXT_HALF));
}

/* The conjugate; -32768 remains. */
static inline uint32_t tflm_ext_pair_conjugate(uint32_t a)
{
    return tflm_ext_pair_low_high(a, tflm_ext_ssub16(0U, a));
}

#endif
