/* SPDX-License-Identifier: 0BSD */
/*
 * A golden vector of the model "net": an input, and the output that
 * TensorFlow Lite Micro gave for it, as raw int8.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

static const int8_t sample_input0[6] = {
    -128, -128, -128, -128, -128, -128,
};

static const int8_t sample_output0[2] = {
    -11, 43,
};

#endif /* SAMPLE_H */
