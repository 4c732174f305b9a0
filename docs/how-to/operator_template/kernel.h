/* SPDX-License-Identifier: 0BSD */
/* MIRROR_PAD: the input, and around it what is inside, mirrored. */
#ifndef TFLM_EXT_MIRROR_PAD_H
#define TFLM_EXT_MIRROR_PAD_H

#include <stdint.h>

typedef struct {
    int32_t in[4];     /* sizes of the input's axes, 1 for those it does not have */
    int32_t out[4];    /* of the output's */
    int32_t before[4]; /* elements before each axis */
    int32_t edge;      /* how often the outermost element is mirrored: 0 or 1 */
} tflm_ext_mirror_pad_t;

/* The element of an axis from which element i of the output comes. */
static inline int32_t tflm_ext_mirrored(const tflm_ext_mirror_pad_t *op, int32_t axis, int32_t i)
{
    int32_t from = i - op->before[axis];

    if (from < 0) {
        from = -from - op->edge;
    } else if (from >= op->in[axis]) {
        from = (2 * op->in[axis]) - 2 + op->edge - from;
    } else {
        /* inside */
    }
    return from;
}

static inline void tflm_ext_mirror_pad(const tflm_ext_mirror_pad_t *op, const int8_t *input,
                                       int8_t *output)
{
    int8_t *target = output;

    for (int32_t a = 0; a < op->out[0]; ++a) {
        for (int32_t b = 0; b < op->out[1]; ++b) {
            for (int32_t c = 0; c < op->out[2]; ++c) {
                int32_t row =
                    (tflm_ext_mirrored(op, 0, a) * op->in[1]) + tflm_ext_mirrored(op, 1, b);
                row = (row * op->in[2]) + tflm_ext_mirrored(op, 2, c);
                for (int32_t d = 0; d < op->out[3]; ++d) {
                    *target = input[(row * op->in[3]) + tflm_ext_mirrored(op, 3, d)];
                    ++target;
                }
            }
        }
    }
}

#endif
