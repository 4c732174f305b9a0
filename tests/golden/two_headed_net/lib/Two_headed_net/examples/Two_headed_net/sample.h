/* SPDX-License-Identifier: 0BSD */
/*
 * A golden vector of the model "two_headed_net": an input, and the output that
 * TensorFlow Lite Micro computed for it, as raw int8.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>

/* clang-format off */

static const int8_t sample_input_left[6] = {
    -128, -128, -128, -128, -128, -128,
};

static const int8_t sample_input1[6] = {
    -128, -128, -128, -128, -128, -128,
};

static const int8_t sample_output_gated[6] = {
    0, 0, 0, 0, 0, 0,
};

static const int8_t sample_output_gate[6] = {
    -128, -128, -128, -128, -128, -128,
};

#endif /* SAMPLE_H */
