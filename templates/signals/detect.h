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

/* The two largest means, the class of the first, and the least sum with a mean above the second. */
typedef struct {
    int32_t best;
    int32_t second;
    int32_t limit;
    int32_t label;
} tflm_ext_detect_largest_t;

/* Updates the mean of a class, or begins it. */
static inline void tflm_ext_detect_mean(const tflm_ext_detect_t *op, bool begins, int32_t i,
                                        const int8_t *input, int32_t *sums,
                                        tflm_ext_detect_largest_t *largest)
{
    const int32_t sum = begins ? (input[i] * ((int32_t)1 << op->average))
                               : ((sums[i] - (sums[i] >> op->average)) + input[i]);

    sums[i] = sum;
    if (sum >= largest->limit) {
        const int32_t mean = sum >> op->average;

        if (mean > largest->best) {
            largest->second = largest->best;
            largest->best = mean;
            largest->label = i;
        } else {
            largest->second = mean;
        }
        if (largest->second > INT32_MIN) {
            largest->limit = (largest->second + 1) * ((int32_t)1 << op->average);
        }
    }
}

/*
 * Updates the means, and returns the class that is found, or -1. The sums are those of values with
 * their zero point, which is subtracted from the largest mean only.
 */
static inline int32_t tflm_ext_detect_class(const tflm_ext_detect_t *op, bool begins,
                                            const int8_t *input, int32_t *sums, int32_t active,
                                            int32_t *mean)
{
    tflm_ext_detect_largest_t largest = { INT32_MIN, INT32_MIN, INT32_MIN, 0 };
    int32_t i = 0;

    if (begins) {
        for (; i < op->classes; ++i) {
            tflm_ext_detect_mean(op, true, i, input, sums, &largest);
        }
    }
    for (; i < (op->classes - 3); i += 4) {
        tflm_ext_detect_mean(op, false, i, input, sums, &largest);
        tflm_ext_detect_mean(op, false, i + 1, input, sums, &largest);
        tflm_ext_detect_mean(op, false, i + 2, input, sums, &largest);
        tflm_ext_detect_mean(op, false, i + 3, input, sums, &largest);
    }
    for (; i < op->classes; ++i) {
        tflm_ext_detect_mean(op, false, i, input, sums, &largest);
    }
    *mean = largest.best - op->zero_point;

    const bool found = (largest.label != op->background) &&
                       (*mean >= ((largest.label == active) ? op->off : op->on)) &&
                       (largest.best >= (largest.second + op->margin));
    return found ? largest.label : -1;
}

/* Forgets the classes of the last windows. */
static inline void tflm_ext_detect_forget(const tflm_ext_detect_t *op, int16_t *history,
                                          uint8_t *hits)
{
    for (uint32_t i = 0U; i < op->of; ++i) {
        if (history[i] >= 0) {
            hits[history[i]] = 0U;
        }
        history[i] = -1;
    }
}

/*
 * State: running means times 2^average, of values with their zero point; whether there are any; the
 * class found in the last window; the classes found in the windows that count; where the next one
 * goes; how often each class is among them; the class of the last event; windows until the next
 * event may come. The decision is: event, class, its mean.
 */
static inline void tflm_ext_detect(const tflm_ext_detect_t *op, const int8_t *input, int32_t *sums,
                                   uint32_t *started, int32_t *active, int16_t *history,
                                   uint32_t *at, uint8_t *hits, int32_t *last, uint32_t *wait,
                                   int32_t *decision)
{
    const bool begins = (*started == 0U);
    const int32_t label = tflm_ext_detect_class(op, begins, input, sums, *active, &decision[2]);

    *started = 1U;
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
