/* SPDX-License-Identifier: 0BSD */
#include "golden_vectors.h"

const size_t golden_input_sizes[GOLDEN_INPUTS] = { 6, 6 };
const size_t golden_output_sizes[GOLDEN_OUTPUTS] = { 6, 6 };

/* clang-format off */

static const int8_t vector0_input0[6] = {
    -128, -128, -128, -128, -128, -128,
};
static const int8_t vector0_input1[6] = {
    -128, -128, -128, -128, -128, -128,
};
static const int8_t vector0_output0[6] = {
    0, 0, 0, 0, 0, 0,
};
static const int8_t vector0_output1[6] = {
    -128, -128, -128, -128, -128, -128,
};

static const int8_t vector1_input0[6] = {
    127, 127, 127, 127, 127, 127,
};
static const int8_t vector1_input1[6] = {
    127, 127, 127, 127, 127, 127,
};
static const int8_t vector1_output0[6] = {
    127, 127, 127, 127, 127, 127,
};
static const int8_t vector1_output1[6] = {
    127, 127, 127, 127, 127, 127,
};

static const int8_t vector2_input0[6] = {
    3, 3, 3, 3, 3, 3,
};
static const int8_t vector2_input1[6] = {
    -7, -7, -7, -7, -7, -7,
};
static const int8_t vector2_output0[6] = {
    0, 0, 0, 0, 0, 0,
};
static const int8_t vector2_output1[6] = {
    0, 0, 0, 0, 0, 0,
};

static const int8_t vector3_input0[6] = {
    -23, 96, -97, -105, 3, 34,
};
static const int8_t vector3_input1[6] = {
    126, 79, 86, -3, 127, -126,
};
static const int8_t vector3_output0[6] = {
    127, 127, 71, -1, 127, 0,
};
static const int8_t vector3_output1[6] = {
    127, 127, 125, -126, 127, -128,
};

static const int8_t vector4_input0[6] = {
    -23, -25, 88, 14, -31, -91,
};
static const int8_t vector4_input1[6] = {
    -81, 113, 4, 81, -9, -91,
};
static const int8_t vector4_output0[6] = {
    0, 127, 90, 127, -4, 0,
};
static const int8_t vector4_output1[6] = {
    -128, 127, 127, 127, -95, -128,
};

static const int8_t vector5_input0[6] = {
    -14, 88, -47, -85, -111, -30,
};
static const int8_t vector5_input1[6] = {
    121, 5, -23, -108, 88, -17,
};
static const int8_t vector5_output0[6] = {
    127, 90, -1, 0, 63, -3,
};
static const int8_t vector5_output1[6] = {
    127, 127, -124, -128, 123, -111,
};

static const int8_t vector6_input0[6] = {
    -111, -66, -68, 95, -60, -106,
};
static const int8_t vector6_input1[6] = {
    115, 32, -128, -56, 31, 41,
};
static const int8_t vector6_output0[6] = {
    108, 5, 0, -2, 6, -4,
};
static const int8_t vector6_output1[6] = {
    127, 30, -128, -23, 37, -37,
};

static const int8_t vector7_input0[6] = {
    6, 20, -15, 37, 14, 36,
};
static const int8_t vector7_input1[6] = {
    -29, 71, -11, 69, 42, -41,
};
static const int8_t vector7_output0[6] = {
    -4, 127, -5, 127, 90, -4,
};
static const int8_t vector7_output1[6] = {
    -99, 127, -74, 127, 127, -92,
};

const golden_vector_t golden_vectors[GOLDEN_VECTORS] = {
    { { vector0_input0, vector0_input1 }, { vector0_output0, vector0_output1 } },
    { { vector1_input0, vector1_input1 }, { vector1_output0, vector1_output1 } },
    { { vector2_input0, vector2_input1 }, { vector2_output0, vector2_output1 } },
    { { vector3_input0, vector3_input1 }, { vector3_output0, vector3_output1 } },
    { { vector4_input0, vector4_input1 }, { vector4_output0, vector4_output1 } },
    { { vector5_input0, vector5_input1 }, { vector5_output0, vector5_output1 } },
    { { vector6_input0, vector6_input1 }, { vector6_output0, vector6_output1 } },
    { { vector7_input0, vector7_input1 }, { vector7_output0, vector7_output1 } },
};
