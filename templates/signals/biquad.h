/* SPDX-License-Identifier: 0BSD */
/* What both arithmetics of filters have in common. */
#ifndef TFLM_EXT_BIQUAD_H
#define TFLM_EXT_BIQUAD_H

#define TFLM_EXT_BIQUAD_BLOCK 32U /* samples that pass through a section at once */

/* What a section gives. */
enum {
    TFLM_EXT_BIQUAD_HIGH, /* high */
    TFLM_EXT_BIQUAD_LOW,  /* high_mix * high + low */
    TFLM_EXT_BIQUAD_ANY   /* high_mix * high + band_mix * band + low_mix * low */
};

#endif
