/* SPDX-License-Identifier: 0BSD */
/*
 * Inputs, and the outputs that TensorFlow Lite Micro computed for them from the model with
 * sha256 e8e5d8accdcfbf3a0b6bad408e7da63e4d6128aa015241b1b6246aa2233d2d31.
 * Made by tflm_ext 0.1.0; made anew by: tflm-ext export model/digits.tflite -o . --name digits
 */
#ifndef GOLDEN_VECTORS_H
#define GOLDEN_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GOLDEN_VECTORS 8u
#define GOLDEN_INPUTS 1u
#define GOLDEN_OUTPUTS 1u

typedef struct {
    const int8_t *inputs[GOLDEN_INPUTS];
    const int8_t *outputs[GOLDEN_OUTPUTS];
} golden_vector_t;

/* Sizes in bytes of every input and output. */
extern const size_t golden_input_sizes[GOLDEN_INPUTS];
extern const size_t golden_output_sizes[GOLDEN_OUTPUTS];
extern const golden_vector_t golden_vectors[GOLDEN_VECTORS];

#ifdef __cplusplus
}
#endif

#endif
