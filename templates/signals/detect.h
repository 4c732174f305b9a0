/* SPDX-License-Identifier: 0BSD */
/* An event when a classifier finds the same class in several windows. */
#ifndef TFLM_EXT_DETECT_H
#define TFLM_EXT_DETECT_H

#include "decisions.h"

typedef struct {
    int32_t classes;
    int32_t zero_point; /* of the network's output */
    int32_t on;         /* mean from which on a class is found */
    int32_t off;        /* and from which on it remains so */
    int32_t margin;     /* by which its mean must exceed that of every other class */
    int32_t background; /* class that is never found, or -1 */
    int32_t average;    /* 2^average windows: the weight of the running means */
    int32_t needed;     /* windows with the same class that make an event */
    uint32_t of;        /* of this many */
    uint32_t quiet;     /* windows without the class before the next event, at least 1 */
} tflm_ext_detect_t;

/* Updates the means, and returns the class that is found, or -1. */
static inline int32_t tflm_ext_detect_class(const tflm_ext_detect_t *op, const int8_t *input,
                                            int32_t *sums, int32_t active, int32_t *mean)
{
    int32_t best = INT32_MIN;
    int32_t second = INT32_MIN;
    int32_t label = 0;

    for (int32_t i = 0; i < op->classes; ++i) {
        const int32_t value = input[i] - op->zero_point;
        const int32_t sum = sums[i] + value - (sums[i] >> op->average);
        const int32_t own = sum >> op->average;

        sums[i] = sum;
        if (own > best) {
            second = best;
            best = own;
            label = i;
        } else if (own > second) {
            second = own;
        } else {
            /* neither */
        }
    }
    *mean = best;

    const bool found = (label != op->background) &&
                       (best >= ((label == active) ? op->off : op->on)) &&
                       (best >= (second + op->margin));
    return found ? label : -1;
}

/* Forgets the classes of the last windows. */
static inline void tflm_ext_detect_forget(const tflm_ext_detect_t *op, int16_t *history,
                                          uint8_t *hits)
{
    for (uint32_t i = 0U; i < op->of; ++i) {
        history[i] = -1;
    }
    for (int32_t i = 0; i < op->classes; ++i) {
        hits[i] = 0U;
    }
}

/*
 * State: running means times 2^average, whether there are any, the class found in the last window,
 * the classes found in the windows that count, where the next one goes, how often each class is among
 * them, the class of the last event, and windows until the next event may come. The decision is:
 * event, class, its mean.
 */
static inline void tflm_ext_detect(const tflm_ext_detect_t *op, const int8_t *input, int32_t *sums,
                                   uint32_t *started, int32_t *active, int16_t *history,
                                   uint32_t *at, uint8_t *hits, int32_t *last, uint32_t *wait,
                                   int32_t *decision)
{
    if (*started == 0U) {
        *started = 1U;
        for (int32_t i = 0; i < op->classes; ++i) {
            sums[i] = (input[i] - op->zero_point) * ((int32_t)1 << op->average);
        }
    }

    const int32_t label = tflm_ext_detect_class(op, input, sums, *active, &decision[2]);
    *active = label;
    decision[0] = 0;
    decision[1] = label;
    if (tflm_ext_quiet_has_ended(wait, op->quiet, (label >= 0) && (label == *last))) {
        if (history[*at] >= 0) {
            --hits[history[*at]];
        }
        history[*at] = (int16_t)label;
        *at = (*at == (op->of - 1U)) ? 0U : (*at + 1U);
        if (label >= 0) {
            ++hits[label];
            if (hits[label] >= op->needed) {
                decision[0] = 1;
                *last = label;
                *wait = op->quiet;
                tflm_ext_detect_forget(op, history, hits);
            }
        }
    }
}

#endif
