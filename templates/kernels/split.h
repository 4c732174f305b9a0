/* SPDX-License-Identifier: 0BSD */
/*
 * SPLIT, SPLIT_V and UNPACK: in every round, a run of bytes of the input is copied to each output.
 */
#ifndef TFLM_EXT_SPLIT_H
#define TFLM_EXT_SPLIT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    int32_t rounds;
    int32_t outputs;
} tflm_ext_split_t;

/* runs: bytes of each output in a round. */
static inline void tflm_ext_split(const tflm_ext_split_t *op, const void *input,
                                  const int32_t *runs, void *const *outputs)
{
    const int8_t *source = input;

    for (int32_t round = 0; round < op->rounds; ++round) {
        for (int32_t i = 0; i < op->outputs; ++i) {
            int8_t *target = outputs[i];
            (void)memcpy(&target[round * runs[i]], source, (size_t)runs[i]);
            source = &source[runs[i]];
        }
    }
}

#endif
