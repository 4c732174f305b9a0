/* SPDX-License-Identifier: 0BSD */
/*
 * TRANSPOSE, STRIDED_SLICE, SLICE, SPACE_TO_DEPTH, DEPTH_TO_SPACE: elements in another order.
 *
 * Runs of bytes that are contiguous in both tensors form a box of up to five dimensions, which is
 * read with one set of strides and written with another. All sizes are in bytes, regardless of the
 * element type. Source and target may overlap if no run is read from a lower address than it is
 * written to.
 */
#ifndef TFLM_EXT_REARRANGE_H
#define TFLM_EXT_REARRANGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    int32_t source_start;
    int32_t target_start;
    int32_t shape[5]; /* of the box, outermost dimension first */
    int32_t source_strides[5];
    int32_t target_strides[5];
    int32_t run;
} tflm_ext_rearrange_t;

/* The innermost dimension of the box. */
static inline void tflm_ext_rearrange_row(const tflm_ext_rearrange_t *op, const int8_t *source,
                                          int8_t *target)
{
    const int32_t source_stride = op->source_strides[4];
    const int32_t target_stride = op->target_strides[4];

    if (op->run == 1) {
        for (int32_t i = 0; i < op->shape[4]; ++i) {
            target[i * target_stride] = source[i * source_stride];
        }
    } else {
        for (int32_t i = 0; i < op->shape[4]; ++i) {
            (void)memmove(&target[i * target_stride], &source[i * source_stride], (size_t)op->run);
        }
    }
}

static inline void tflm_ext_rearrange(const tflm_ext_rearrange_t *op, const void *input,
                                      void *output)
{
    const int8_t *source = input;
    int8_t *target = output;
    const int32_t *in = op->source_strides;
    const int32_t *out = op->target_strides;

    for (int32_t a = 0; a < op->shape[0]; ++a) {
        for (int32_t b = 0; b < op->shape[1]; ++b) {
            for (int32_t c = 0; c < op->shape[2]; ++c) {
                const int32_t from = op->source_start + (a * in[0]) + (b * in[1]) + (c * in[2]);
                const int32_t to = op->target_start + (a * out[0]) + (b * out[1]) + (c * out[2]);
                for (int32_t d = 0; d < op->shape[3]; ++d) {
                    tflm_ext_rearrange_row(op, &source[from + (d * in[3])],
                                           &target[to + (d * out[3])]);
                }
            }
        }
    }
}

#endif
