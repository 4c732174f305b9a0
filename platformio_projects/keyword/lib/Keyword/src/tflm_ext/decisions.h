/* SPDX-License-Identifier: 0BSD */
/* What decisions have in common: the quiet time after an event. */
#ifndef TFLM_EXT_DECISIONS_H
#define TFLM_EXT_DECISIONS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The time after an event during which there is no other. It starts again with every window in
 * which what caused the event is still there, so a long event is one event. Returns whether it has
 * ended.
 */
static inline bool tflm_ext_quiet_has_ended(uint32_t *wait, uint32_t quiet, bool still_there)
{
    if (*wait == 0U) {
        return true;
    }
    *wait = still_there ? quiet : (*wait - 1U);
    return false;
}

#endif
