/* SPDX-License-Identifier: 0BSD */
/*
 * A golden vector of the model "net": an input, and the output that
 * TensorFlow Lite Micro gave for it, as raw int8.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

static const int8_t sample_input0[72] = {
    34, -59, -118, -124, 79, 105, 27, 58, 11, 110, 80, -127, 91, -119, 58, -83, 92, 10, -52,
    -20, -121, -96, 43, 37, 29, -30, 126, 122, 47, 38, 48, -29, -94, 56, 6, -49, -4, 99,
    110, -37, 18, -46, 24, -42, -28, 99, -70, 31, -107, 84, 73, -67, 96, -113, -42, -90,
    -13, 75, -69, -115, -25, -77, -105, 20, -52, 43, -77, 112, -35, -101, 32, 108,
};

static const int8_t sample_output0[3] = {
    -77, -25, -25,
};

#endif /* SAMPLE_H */
