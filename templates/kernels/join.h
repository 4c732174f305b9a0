/* SPDX-License-Identifier: 0BSD */
/*
 * CONCATENATION and PACK: in every round, a run of bytes of each input is copied to the output.
 */
#ifndef TFLM_EXT_JOIN_H
#define TFLM_EXT_JOIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    int32_t rounds;
    int32_t inputs;
} tflm_ext_join_t;

/* runs: bytes of each input in a round. */
static inline void tflm_ext_join(const tflm_ext_join_t *op, const void *const *inputs,
                                 const int32_t *runs, void *output)
{
    int8_t *target = output;

    for (int32_t round = 0; round < op->rounds; ++round) {
        for (int32_t i = 0; i < op->inputs; ++i) {
            const int8_t *source = inputs[i];
            (void)memcpy(target, &source[round * runs[i]], (size_t)runs[i]);
            target = &target[runs[i]];
        }
    }
}

#endif
