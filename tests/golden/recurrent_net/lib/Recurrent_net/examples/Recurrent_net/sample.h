/* SPDX-License-Identifier: 0BSD */
/*
 * A golden vector of the model "recurrent_net": an input, and the output that
 * TensorFlow Lite Micro computed for it, as raw int8.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

/* clang-format off */

static const int8_t sample_input0[6] = {
    -128, -128, -128, -128, -128, -128,
};

static const int8_t sample_output0[2] = {
    -11, 43,
};

#endif /* SAMPLE_H */
