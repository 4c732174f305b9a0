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

#endif
