/* SPDX-License-Identifier: 0BSD */
/*
 * A golden vector of the model "digits": an input, and the output that
 * TensorFlow Lite Micro computed for it, as raw int8.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

/* clang-format off */

static const int8_t sample_input0[64] = {
    -128, -128, -128, -64, 111, -16, -128, -128, -128, -128, -80, 111, 63, -128, -128, -128,
    -128, -112, 95, 63, -128, -96, 47, -128, -128, 31, 95, -128, -128, 79, 63, -128, -128,
    47, 111, 63, 111, 127, -48, -128, -128, -64, 31, -1, 127, 47, -128, -128, -128, -128,
    -128, -96, 127, -64, -128, -128, -128, -128, -128, -32, 95, -128, -128, -128,
};

static const int8_t sample_output0[10] = {
    -128, -128, -128, -128, 127, -128, -128, -128, -128, -128,
};

#endif /* SAMPLE_H */
