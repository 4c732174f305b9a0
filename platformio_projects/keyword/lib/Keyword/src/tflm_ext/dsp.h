/* SPDX-License-Identifier: 0BSD */
/*
 * Instructions of the Cortex-M DSP extension, and portable C with the same results.
 *
 * GCC 7.2, the compiler of many Arduino cores, lacks intrinsics for most of these instructions, so
 * each function is an instruction of inline assembly. A pair is a word of two int16, the first in
 * the low half.
 */
#ifndef TFLM_EXT_DSP_H
#define TFLM_EXT_DSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && defined(__thumb2__)
#define TFLM_EXT_DSP 1
#else
#define TFLM_EXT_DSP 0
#endif

#if defined(__BYTE_ORDER__) && (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
#error "The kernels require a little-endian processor."
#endif

/* A function shared by all calls: neither inlined nor specialised for the parameters of each. */
#if defined(__clang__)
#define TFLM_EXT_SHARED __attribute__((noinline, unused))
#elif defined(__GNUC__)
#define TFLM_EXT_SHARED __attribute__((noinline, noclone, unused))
#else
#define TFLM_EXT_SHARED
#endif

/* Four bytes at any address, in memory order. */
static inline uint32_t tflm_ext_load_word(const int8_t *bytes)
{
    uint32_t word;
    (void)memcpy(&word, bytes, sizeof word);
    return word;
}

static inline void tflm_ext_store_word(uint32_t word, int8_t *bytes)
{
    (void)memcpy(bytes, &word, sizeof word);
}

/* The halves of a pair. */
static inline int32_t tflm_ext_low(uint32_t pair)
{
    return (int32_t)(int16_t)(uint16_t)(pair & 0xFFFFU);
}

static inline int32_t tflm_ext_high(uint32_t pair)
{
    return (int32_t)(int16_t)(uint16_t)(pair >> 16);
}

#if TFLM_EXT_DSP

/* sum + a.low * b.low + a.high * b.high, modulo 2^32. */
static inline uint32_t tflm_ext_smlad(uint32_t a, uint32_t b, uint32_t sum)
{
    uint32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + a.low * b.high, and sum + a.high * b.low. */
static inline uint32_t tflm_ext_smlabt(uint32_t a, uint32_t b, uint32_t sum)
{
    uint32_t result;
    __asm__("smlabt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

static inline uint32_t tflm_ext_smlatb(uint32_t a, uint32_t b, uint32_t sum)
{
    uint32_t result;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* Bytes 0 and 2, and bytes 1 and 3, as a pair. */
static inline uint32_t tflm_ext_sxtb16(uint32_t word)
{
    uint32_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(word));
    return result;
}

static inline uint32_t tflm_ext_sxtb16_ror8(uint32_t word)
{
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
    return result;
}

/* These bytes added to a pair, half by half. */
static inline uint32_t tflm_ext_sxtab16(uint32_t pair, uint32_t word)
{
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(pair), "r"(word));
    return result;
}

static inline uint32_t tflm_ext_sxtab16_ror8(uint32_t pair, uint32_t word)
{
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(pair), "r"(word));
    return result;
}

/* Pairs of the low halves and of the high halves of two words. */
static inline uint32_t tflm_ext_low_halves(uint32_t first, uint32_t second)
{
    uint32_t result;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(first), "r"(second));
    return result;
}

static inline uint32_t tflm_ext_high_halves(uint32_t first, uint32_t second)
{
    uint32_t result;
    __asm__("pkhtb %0, %2, %1, asr #16" : "=r"(result) : "r"(first), "r"(second));
    return result;
}

/* a * b / 2^32, and addend plus or minus a * b / 2^32, halves rounded up. */
static inline int32_t tflm_ext_smmulr(int32_t a, int32_t b)
{
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

static inline int32_t tflm_ext_smmlar(int32_t a, int32_t b, int32_t addend)
{
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(addend));
    return result;
}

static inline int32_t tflm_ext_smmlsr(int32_t a, int32_t b, int32_t addend)
{
    int32_t result;
    __asm__("smmlsr %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(addend));
    return result;
}

/* Limited to int8. */
static inline int32_t tflm_ext_ssat8(int32_t value)
{
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value));
    return result;
}

/* Byte by byte, the larger and the smaller of two. */
static inline uint32_t tflm_ext_max_bytes(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

static inline uint32_t tflm_ext_min_bytes(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}

#else

/* sum + a.low * b.low + a.high * b.high, modulo 2^32. */
static inline uint32_t tflm_ext_smlad(uint32_t a, uint32_t b, uint32_t sum)
{
    return sum + (uint32_t)(tflm_ext_low(a) * tflm_ext_low(b)) +
           (uint32_t)(tflm_ext_high(a) * tflm_ext_high(b));
}

/* sum + a.low * b.high, and sum + a.high * b.low. */
static inline uint32_t tflm_ext_smlabt(uint32_t a, uint32_t b, uint32_t sum)
{
    return sum + (uint32_t)(tflm_ext_low(a) * tflm_ext_high(b));
}

static inline uint32_t tflm_ext_smlatb(uint32_t a, uint32_t b, uint32_t sum)
{
    return sum + (uint32_t)(tflm_ext_high(a) * tflm_ext_low(b));
}

/* Two int16 in a word. */
static inline uint32_t tflm_ext_pair(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFFU) | ((uint32_t)high << 16);
}

/* Bytes 0 and 2, and bytes 1 and 3, as a pair. */
static inline uint32_t tflm_ext_sxtb16(uint32_t word)
{
    return tflm_ext_pair((int8_t)(uint8_t)(word & 0xFFU), (int8_t)(uint8_t)((word >> 16) & 0xFFU));
}

static inline uint32_t tflm_ext_sxtb16_ror8(uint32_t word)
{
    return tflm_ext_pair((int8_t)(uint8_t)((word >> 8) & 0xFFU), (int8_t)(uint8_t)(word >> 24));
}

/* These bytes added to a pair, half by half. */
static inline uint32_t tflm_ext_sxtab16(uint32_t pair, uint32_t word)
{
    const uint32_t more = tflm_ext_sxtb16(word);
    return tflm_ext_pair(tflm_ext_low(pair) + tflm_ext_low(more),
                         tflm_ext_high(pair) + tflm_ext_high(more));
}

static inline uint32_t tflm_ext_sxtab16_ror8(uint32_t pair, uint32_t word)
{
    const uint32_t more = tflm_ext_sxtb16_ror8(word);
    return tflm_ext_pair(tflm_ext_low(pair) + tflm_ext_low(more),
                         tflm_ext_high(pair) + tflm_ext_high(more));
}

/* Pairs of the low halves and of the high halves of two words. */
static inline uint32_t tflm_ext_low_halves(uint32_t first, uint32_t second)
{
    return (first & 0xFFFFU) | (second << 16);
}

static inline uint32_t tflm_ext_high_halves(uint32_t first, uint32_t second)
{
    return (first >> 16) | (second & 0xFFFF0000U);
}

/* a * b / 2^32, and addend plus or minus a * b / 2^32, halves rounded up. */
static inline int32_t tflm_ext_smmulr(int32_t a, int32_t b)
{
    return (int32_t)((((int64_t)a * (int64_t)b) + ((int64_t)1 << 31)) >> 32);
}

static inline int32_t tflm_ext_smmlar(int32_t a, int32_t b, int32_t addend)
{
    const int64_t wide = (int64_t)addend * ((int64_t)1 << 32);
    return (int32_t)((wide + ((int64_t)a * (int64_t)b) + ((int64_t)1 << 31)) >> 32);
}

static inline int32_t tflm_ext_smmlsr(int32_t a, int32_t b, int32_t addend)
{
    const int64_t wide = (int64_t)addend * ((int64_t)1 << 32);
    return (int32_t)((wide - ((int64_t)a * (int64_t)b) + ((int64_t)1 << 31)) >> 32);
}

/* Limited to int8. */
static inline int32_t tflm_ext_ssat8(int32_t value)
{
    return (value < -128) ? -128 : ((value > 127) ? 127 : value);
}

/* Byte by byte, the larger of two if `larger`, else the smaller. */
static inline uint32_t tflm_ext_select_bytes(uint32_t a, uint32_t b, bool larger)
{
    uint32_t result = 0U;
    for (uint32_t bit = 0U; bit < 32U; bit += 8U) {
        const uint32_t x = (a >> bit) & 0xFFU;
        const uint32_t y = (b >> bit) & 0xFFU;
        const bool is_larger = (x ^ 0x80U) > (y ^ 0x80U); /* as signed numbers */
        const uint32_t chosen = (is_larger == larger) ? x : y;
        result |= chosen << bit;
    }
    return result;
}

/* Byte by byte, the larger and the smaller of two. */
static inline uint32_t tflm_ext_max_bytes(uint32_t a, uint32_t b)
{
    return tflm_ext_select_bytes(a, b, true);
}

static inline uint32_t tflm_ext_min_bytes(uint32_t a, uint32_t b)
{
    return tflm_ext_select_bytes(a, b, false);
}

#endif

/*
 * A doubled sum as int8: y * multiplier / 2^32, then / 2^shift with halves rounded away from zero,
 * plus the zero point. `step` is -2^(32 - shift), with 1 <= shift <= 31. Both steps round like
 * tflm_ext_requantize(): the second one rounds halves up, after subtracting 1 from negative values.
 */
static inline int8_t tflm_ext_scale_to_int8(int32_t y, int32_t multiplier, int32_t step,
                                            int32_t zero_point)
{
    const int32_t high = tflm_ext_smmulr(y, multiplier);
    return (int8_t)tflm_ext_ssat8(tflm_ext_smmlsr(high + (high >> 31), step, zero_point));
}

/*
 * The sum of a filter as int8, by its two requant words. The first has the bias in its upper 24
 * bits and 32 - shift in the lower 8. The second is 2 * multiplier - 2^32, so that one instruction
 * computes the product: sum * second / 2^32 + sum is sum * multiplier / 2^31.
 */
static inline int8_t tflm_ext_sum_to_int8(int32_t sum, const int32_t *requant, int32_t zero_point)
{
    const int32_t biased = sum + (requant[0] >> 8);
    const int32_t high = tflm_ext_smmlar(biased, requant[1], biased);
    const int32_t step = (int32_t)(0xFFFFFFFFU << ((uint32_t)requant[0] & 31U));
    return (int8_t)tflm_ext_ssat8(tflm_ext_smmlsr(high + (high >> 31), step, zero_point));
}

#endif
