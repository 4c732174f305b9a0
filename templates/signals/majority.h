/* SPDX-License-Identifier: 0BSD */
/* The class of most of the last windows; an event when it changes. */
#ifndef TFLM_EXT_MAJORITY_H
#define TFLM_EXT_MAJORITY_H

#include <stdint.h>

typedef struct {
    int32_t classes;
    int32_t zero_point; /* of the network's output */
    int32_t threshold;  /* below it, a window votes for "unknown", -1 */
    uint32_t of;        /* windows that vote */
    uint32_t hold;      /* windows for which a class is kept at least */
} tflm_ext_majority_t;

/* The class with the largest output, or -1 if that is below the threshold. */
static inline int32_t tflm_ext_majority_class(const tflm_ext_majority_t *op, const int8_t *input)
{
    int32_t label = 0;

    for (int32_t i = 1; i < op->classes; ++i) {
        if (input[i] > input[label]) {
            label = i;
        }
    }
    return ((input[label] - op->zero_point) >= op->threshold) ? label : -1;
}

/*
 * State: the last votes, where the next one goes, the number of votes for each class (that of -1
 * first), the last class with more than half of them, the class that is kept, and for how many
 * windows it still is. The decision is: event, class, votes for it.
 */
static inline void tflm_ext_majority(const tflm_ext_majority_t *op, const int8_t *input,
                                     int16_t *history, uint32_t *at, uint16_t *votes,
                                     int32_t *winner, int32_t *label, uint32_t *hold,
                                     int32_t *decision)
{
    const int32_t vote = tflm_ext_majority_class(op, input);

    if (history[*at] >= -1) { /* -2: there were fewer windows */
        --votes[1 + history[*at]];
    }
    history[*at] = (int16_t)vote;
    *at = (*at == (op->of - 1U)) ? 0U : (*at + 1U);
    ++votes[1 + vote];
    if ((2U * votes[1 + vote]) > op->of) {
        *winner = vote;
    }
    if (*hold > 0U) {
        --*hold;
    }
    decision[0] = 0;
    if ((*hold == 0U) && (*winner != *label) && ((2U * votes[1 + *winner]) > op->of)) {
        decision[0] = 1;
        *label = *winner;
        *hold = op->hold;
    }
    decision[1] = *label;
    decision[2] = votes[1 + *label];
}

#endif
