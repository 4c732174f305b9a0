/* SPDX-License-Identifier: 0BSD */
/*
 * float32 with the same bits on every computer: every operation rounds to nearest.
 *
 * Compilers may merge a product and a sum into one instruction, which rounds once instead of twice;
 * GCC does so by default. Write every product that is added to something with the functions here,
 * add and subtract in a fixed order, and call no function of math.h. Denormal numbers need no care
 * where the core computes them as IEEE 754 says, as the Cortex-M4 does unless it is told to flush
 * them to zero.
 */
#ifndef TFLM_EXT_EXACT_FLOAT_H
#define TFLM_EXT_EXACT_FLOAT_H

#include <float.h>
#include <stdint.h>
#include <string.h>

#include "wide.h"

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__)
#error "-ffast-math and its parts change results; compile this file without them"
#endif
#if defined(__FINITE_MATH_ONLY__) && (__FINITE_MATH_ONLY__ > 0)
#error "-ffinite-math-only changes results; compile this file without it"
#endif
/* 16: only _Float16 is computed in another type. */
#if (FLT_EVAL_METHOD != 0) && (FLT_EVAL_METHOD != 16)
#error "This compiler computes float in another type; with x87, add -msse2 -mfpmath=sse"
#endif

#if defined(__clang__) || !defined(__GNUC__)
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif

/* Single precision in the registers of an Arm FPU. */
#if defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP) && !defined(__SOFTFP__)
#define TFLM_EXT_VFP 1
#else
#define TFLM_EXT_VFP 0
#endif

/*
 * A product that no compiler merges with a sum, because it must be in a register in between. The
 * constraints name the registers in which the compiler has it anyway, so this takes no instruction.
 */
static inline float tflm_ext_product(float a, float b)
{
    float product = a * b;
#if TFLM_EXT_VFP
    __asm__("" : "+t"(product));
#elif defined(__GNUC__) && defined(__aarch64__)
    __asm__("" : "+w"(product));
#elif defined(__GNUC__) && defined(__SSE2__)
    __asm__("" : "+x"(product));
#elif defined(__GNUC__) && (defined(__riscv_flen) || defined(__XTENSA__))
    __asm__("" : "+f"(product));
#elif defined(__GNUC__) && defined(__arm__)
    __asm__("" : "+r"(product));
#elif defined(__GNUC__)
    __asm__("" : "+m"(product));
#endif
    return product;
}

/* sum + a * b and sum - a * b, rounded twice. */
static inline float tflm_ext_add_product(float sum, float a, float b)
{
#if TFLM_EXT_VFP
    __asm__("vmla.f32 %0, %1, %2" : "+t"(sum) : "t"(a), "t"(b)); /* not fused, unlike vfma */
    return sum;
#else
    return sum + tflm_ext_product(a, b);
#endif
}

static inline float tflm_ext_subtract_product(float sum, float a, float b)
{
#if TFLM_EXT_VFP
    __asm__("vmls.f32 %0, %1, %2" : "+t"(sum) : "t"(a), "t"(b));
    return sum;
#else
    return sum - tflm_ext_product(a, b);
#endif
}

/* The nearest int16, halves to the even one; not a NaN. */
static inline int16_t tflm_ext_to_int16(float x)
{
#if TFLM_EXT_VFP
    int32_t nearest;
    __asm__("vcvtr.s32.f32 %0, %1" : "=t"(nearest) : "t"(x));
    return tflm_ext_saturate16(nearest);
#else
    const float limited = (x < -32768.0f) ? -32768.0f : ((x > 32767.0f) ? 32767.0f : x);
    const float moved = limited + 12582912.0f; /* 2^23 + 2^22: no bit remains for a fraction */
    int32_t bits;
    (void)memcpy(&bits, &moved, sizeof bits);
    return (int16_t)(bits - 0x4B400000);
#endif
}

/* Two integers as floats; they move to the FPU with one instruction. */
static inline void tflm_ext_two_floats(const int32_t *integers, float *floats)
{
#if TFLM_EXT_VFP
    __asm__("vmov s14, s15, %2, %3\n\tvcvt.f32.s32 %0, s14\n\tvcvt.f32.s32 %1, s15"
            : "=t"(floats[0]), "=t"(floats[1])
            : "r"(integers[0]), "r"(integers[1])
            : "s14", "s15");
#else
    floats[0] = (float)integers[0];
    floats[1] = (float)integers[1];
#endif
}

/* Two floats as int16; they move from the FPU with one instruction. */
static inline void tflm_ext_two_int16(const float *floats, int16_t *integers)
{
#if TFLM_EXT_VFP
    int32_t first;
    int32_t second;
    __asm__("vcvtr.s32.f32 s14, %2\n\tvcvtr.s32.f32 s15, %3\n\tvmov %0, %1, s14, s15"
            : "=r"(first), "=r"(second)
            : "t"(floats[0]), "t"(floats[1])
            : "s14", "s15");
    integers[0] = tflm_ext_saturate16(first);
    integers[1] = tflm_ext_saturate16(second);
#else
    integers[0] = tflm_ext_to_int16(floats[0]);
    integers[1] = tflm_ext_to_int16(floats[1]);
#endif
}

#endif
