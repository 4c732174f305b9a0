/* SPDX-License-Identifier: 0BSD */
/* GATHER: slices of the input at constant positions along one axis. */
#ifndef TFLM_EXT_GATHER_H
#define TFLM_EXT_GATHER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    int32_t batches;    /* each with its own positions */
    int32_t outer;      /* slices before the axis, per batch */
    int32_t axis_bytes; /* of the input along the axis */
    int32_t positions;  /* per batch */
    int32_t run;        /* bytes of one slice */
} tflm_ext_gather_t;

static inline void tflm_ext_gather(const tflm_ext_gather_t *op, const void *input,
                                   const int32_t *positions, void *output)
{
    const int8_t *source = input;
    int8_t *target = output;

    for (int32_t batch = 0; batch < op->batches; ++batch) {
        for (int32_t i = 0; i < op->outer; ++i) {
            for (int32_t p = 0; p < op->positions; ++p) {
                const int32_t position = positions[(batch * op->positions) + p];
                (void)memcpy(target, &source[position * op->run], (size_t)op->run);
                target = &target[op->run];
            }
            source = &source[op->axis_bytes];
        }
    }
}

#endif
