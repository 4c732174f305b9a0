/* SPDX-License-Identifier: 0BSD */
#include "golden_vectors.h"

const size_t golden_input_sizes[GOLDEN_INPUTS] = { 6 };
const size_t golden_output_sizes[GOLDEN_OUTPUTS] = { 2 };

/* clang-format off */

static const int8_t vector0_input0[6] = {
    -128, -128, -128, -128, -128, -128,
};
static const int8_t vector0_output0[2] = {
    -11, 43,
};

static const int8_t vector1_input0[6] = {
    127, 127, 127, 127, 127, 127,
};
static const int8_t vector1_output0[2] = {
    127, -91,
};

static const int8_t vector2_input0[6] = {
    -5, -5, -5, -5, -5, -5,
};
static const int8_t vector2_output0[2] = {
    -28, -14,
};

static const int8_t vector3_input0[6] = {
    -93, -38, 1, 6, -37, -15,
};
static const int8_t vector3_output0[2] = {
    -3, -15,
};

static const int8_t vector4_input0[6] = {
    -70, 127, 64, 64, 97, -26,
};
static const int8_t vector4_output0[2] = {
    -21, 12,
};

static const int8_t vector5_input0[6] = {
    43, -50, 111, -11, 15, -105,
};
static const int8_t vector5_output0[2] = {
    11, -17,
};

static const int8_t vector6_input0[6] = {
    -64, -47, -90, 8, -2, -63,
};
static const int8_t vector6_output0[2] = {
    -11, -13,
};

static const int8_t vector7_input0[6] = {
    -2, 105, 75, 35, -59, 108,
};
static const int8_t vector7_output0[2] = {
    32, -13,
};

const golden_vector_t golden_vectors[GOLDEN_VECTORS] = {
    { { vector0_input0 }, { vector0_output0 } },
    { { vector1_input0 }, { vector1_output0 } },
    { { vector2_input0 }, { vector2_output0 } },
    { { vector3_input0 }, { vector3_output0 } },
    { { vector4_input0 }, { vector4_output0 } },
    { { vector5_input0 }, { vector5_output0 } },
    { { vector6_input0 }, { vector6_output0 } },
    { { vector7_input0 }, { vector7_output0 } },
};
