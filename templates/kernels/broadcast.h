/* SPDX-License-Identifier: 0BSD */
/*
 * Two tensors that are broadcast against each other.
 *
 * They are walked in runs: along a run either tensor advances by one element or stands still.
 * Where each run begins follows from at most five further axes.
 */
#ifndef TFLM_EXT_BROADCAST_H
#define TFLM_EXT_BROADCAST_H

#include <stdint.h>

enum { TFLM_EXT_BROADCAST_AXES = 5 };

typedef struct {
    int32_t runs;
    int32_t length;                         /* elements of one run */
    int32_t step1;                          /* 1 or, where input 1 stands still, 0 */
    int32_t step2;                          /* the same of input 2 */
    int32_t sizes[TFLM_EXT_BROADCAST_AXES]; /* outermost first; 1 where there are fewer */
    int32_t steps1[TFLM_EXT_BROADCAST_AXES];
    int32_t steps2[TFLM_EXT_BROADCAST_AXES];
} tflm_ext_broadcast_t;

/* Index of the element with which a run begins. */
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
