/* SPDX-License-Identifier: 0BSD */
/* An event when a score is high for several windows. */
#ifndef TFLM_EXT_ALARM_H
#define TFLM_EXT_ALARM_H

#include "decisions.h"

typedef struct {
    int32_t on;      /* mean from which on the score is high */
    int32_t off;     /* and from which on it remains so */
    int32_t average; /* 2^average windows: the weight of the running mean */
    uint32_t needed; /* windows with a high score that make an event */
    uint32_t of;     /* of this many, at most 32 */
    uint32_t quiet;  /* windows below `off` before the next event, at least 1 */
} tflm_ext_alarm_t;

/*
 * State: the running mean times 2^average, whether there is one, whether the score is high, a bit for
 * each of the last windows, how many of these are high, and windows until the next event may come.
 * The decision is: event, whether the score is high, mean.
 */
static inline void tflm_ext_alarm(const tflm_ext_alarm_t *op, const int32_t *score, int64_t *sum,
                                  uint32_t *started, uint32_t *high, uint32_t *history,
                                  uint32_t *hits, uint32_t *wait, int32_t *decision)
{
    if (*started == 0U) {
        *started = 1U;
        *sum = (int64_t)((uint64_t)(int64_t)*score << op->average);
    }
    *sum += *score - (*sum >> op->average);

    const int32_t mean = (int32_t)(*sum >> op->average);
    *high = (mean >= ((*high != 0U) ? op->off : op->on)) ? 1U : 0U;
    decision[0] = 0;
    decision[1] = (int32_t)*high;
    decision[2] = mean;
    if (tflm_ext_quiet_has_ended(wait, op->quiet, *high != 0U)) {
        *hits += *high - ((*history >> (op->of - 1U)) & 1U);
        *history = (*history << 1) | *high;
        if (*hits >= op->needed) {
            decision[0] = 1;
            *history = 0U;
            *hits = 0U;
            *wait = op->quiet;
        }
    }
}

#endif
