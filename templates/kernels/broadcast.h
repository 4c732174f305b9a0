/* SPDX-License-Identifier: 0BSD */
/*
 * Two tensors that are broadcast against each other.
 *
 * They are read in runs. Along a run, each tensor either advances by one element at a time or keeps
 * its place. At most five further axes determine where each run begins.
 */
#ifndef TFLM_EXT_BROADCAST_H
#define TFLM_EXT_BROADCAST_H

#include <stdint.h>

enum { TFLM_EXT_BROADCAST_AXES = 5 };

typedef struct {
    int32_t runs;
    int32_t length;                         /* elements of one run */
    int32_t step1;                          /* of input 1: 1, or 0 if it keeps its place */
    int32_t step2;                          /* of input 2, likewise */
    int32_t sizes[TFLM_EXT_BROADCAST_AXES]; /* outermost first, filled up with 1 */
    int32_t steps1[TFLM_EXT_BROADCAST_AXES];
    int32_t steps2[TFLM_EXT_BROADCAST_AXES];
} tflm_ext_broadcast_t;

/* Index of the first element of a run. */
static inline int32_t tflm_ext_run_start(const int32_t *sizes, const int32_t *steps, int32_t run)
{
    int32_t rest = run;
    int32_t start = 0;

    for (int32_t axis = TFLM_EXT_BROADCAST_AXES - 1; (axis >= 0) && (rest > 0); --axis) {
        start += (rest % sizes[axis]) * steps[axis];
        rest /= sizes[axis];
    }
    return start;
}

#endif
