/* SPDX-License-Identifier: 0BSD */
/* The square root of a float, rounded to nearest, without the C library. */
#ifndef TFLM_EXT_FLOAT_ROOT_H
#define TFLM_EXT_FLOAT_ROOT_H

#include <stdint.h>
#include <string.h>

#include "exact_float.h"
#include "signal_arithmetic.h"

/* The root computed with integers, for cores that cannot do it; x is not negative. */
static inline float tflm_ext_float_root_of_bits(float x)
{
    uint32_t bits;
    float root;

    (void)memcpy(&bits, &x, sizeof bits);
    if ((bits == 0U) || (bits >= 0x7F800000U)) {
        return x; /* also -0, infinity and NaN */
    }

    /* x is mantissa * 2^exponent, where the mantissa has 24 bits; those of denormals have fewer. */
    const int32_t field = (int32_t)(bits >> 23);
    const int32_t zeros = (field == 0) ? (24 - tflm_ext_bit_length(bits)) : 0;
    const uint32_t mantissa = (field == 0) ? (bits << zeros) : ((bits & 0x7FFFFFU) | 0x800000U);
    const int32_t exponent = ((field == 0) ? 1 : field) - 150 - zeros;

    /* Of the mantissa with 23 or 24 zeros appended, the root has 24 bits, or is 2^24. */
    const int32_t appended = ((exponent & 1) != 0) ? 23 : 24;
    const uint32_t found = tflm_ext_square_root((uint64_t)mantissa << appended);

    /* The root's leading bit adds 1 to the field of the exponent. */
    bits = ((uint32_t)(((exponent - appended) / 2) + 149) << 23) + found;
    (void)memcpy(&root, &bits, sizeof root);
    return root;
}

static inline float tflm_ext_float_root(float x)
{
#if TFLM_EXT_VFP
    float root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(x));
    return root;
#elif defined(__GNUC__) && defined(__SSE2__)
    float root;
    __asm__("sqrtss %1, %0" : "=x"(root) : "x"(x));
    return root;
#elif defined(__GNUC__) && defined(__aarch64__)
    float root;
    __asm__("fsqrt %s0, %s1" : "=w"(root) : "w"(x));
    return root;
#else
    return tflm_ext_float_root_of_bits(x);
#endif
}

#endif
