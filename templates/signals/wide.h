/* SPDX-License-Identifier: 0BSD */
/* Integers of 64 bits whose upper word is used: sums of products that lose nothing. */
#ifndef TFLM_EXT_WIDE_H
#define TFLM_EXT_WIDE_H

#include <stdint.h>

/* A function that is compiled for the constants of each call. */
#if defined(__GNUC__)
#define TFLM_EXT_SPECIALIZED static inline __attribute__((always_inline))
#else
#define TFLM_EXT_SPECIALIZED static inline
#endif

/* A number whose value the compiler does not know, so that it keeps it in a register. */
static inline int32_t tflm_ext_kept(int32_t value)
{
#if defined(__GNUC__)
    __asm__("" : "+r"(value));
#endif
    return value;
}

/* A pointer likewise, so that it moves with every access, and not later for several of them. */
#if defined(__GNUC__)
#define TFLM_EXT_MOVED(pointer) __asm__("" : "+r"(pointer))
#else
#define TFLM_EXT_MOVED(pointer) ((void)0)
#endif

/* Memory is written here, and not kept in registers that the next loop needs. */
#if defined(__GNUC__)
#define TFLM_EXT_STORED() __asm__ volatile("" : : : "memory")
#else
#define TFLM_EXT_STORED() ((void)0)
#endif

/* sum + a * b; GCC makes it of up to five instructions if it cannot see that b has 32 bits. */
static inline int64_t tflm_ext_wide_sum(int64_t sum, int32_t a, int32_t b)
{
#if defined(__GNUC__) && defined(__thumb2__)
    __asm__("smlal %Q0, %R0, %1, %2" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    return sum + ((int64_t)a * b);
#endif
}

/* The upper word, which is sum / 2^32, rounded down. */
static inline int32_t tflm_ext_upper(int64_t sum)
{
    return (int32_t)(sum >> 32);
}

/* Limited to int16. */
static inline int16_t tflm_ext_saturate16(int32_t value)
{
#if defined(__GNUC__) && defined(__thumb2__)
    int32_t result;
    __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(value));
    return (int16_t)result;
#else
    return (int16_t)((value < -32768) ? -32768 : ((value > 32767) ? 32767 : value));
#endif
}

/* value / 2^bits, rounded down and limited to int16; bits <= 14. */
TFLM_EXT_SPECIALIZED int16_t tflm_ext_shifted16(int32_t value, int32_t bits)
{
    if (bits <= 0) {
        return tflm_ext_saturate16((int32_t)((uint32_t)value << (uint32_t)-bits));
    }
#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__) && defined(__thumb2__)
    if (__builtin_constant_p(bits)) {
        int32_t result;
        __asm__("ssat %0, #16, %1, asr %2" : "=r"(result) : "r"(value), "I"(bits));
        return (int16_t)result;
    }
#endif
    return tflm_ext_saturate16(value >> bits);
}

/* value / 2^bits, halves up, limited to int16; 1 <= bits <= 14, and value is below 2^30. */
TFLM_EXT_SPECIALIZED int16_t tflm_ext_rounded16(int32_t value, int32_t bits)
{
    return tflm_ext_shifted16(value + ((int32_t)1 << (bits - 1)), bits);
}

#endif
