/* SPDX-License-Identifier: 0BSD */
#include "golden_vectors.h"

const size_t golden_input_sizes[GOLDEN_INPUTS] = { 6 };
const size_t golden_output_sizes[GOLDEN_OUTPUTS] = { 6 };

/* clang-format off */

static const int8_t vector0_input0[6] = {
    0, 1, 2, 3, 4, 5,
};
static const int8_t vector0_output0[6] = {
    1, 2, 3, 4, 5, 6,
};

static const int8_t vector1_input0[6] = {
    127, -128, -1, 0, 1, 2,
};
static const int8_t vector1_output0[6] = {
    -128, -127, 0, 1, 2, 3,
};

const golden_vector_t golden_vectors[GOLDEN_VECTORS] = {
    { { vector0_input0 }, { vector0_output0 } },
    { { vector1_input0 }, { vector1_output0 } },
};
