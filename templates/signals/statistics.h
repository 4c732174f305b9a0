/* SPDX-License-Identifier: 0BSD */
/*
 * Statistics of each channel of a frame: exact sums of integers, from which float32 operations in a
 * fixed order compute the results.
 */
#ifndef TFLM_EXT_STATISTICS_H
#define TFLM_EXT_STATISTICS_H

#include "arithmetic.h"
#include "float_root.h"
#include "pairs.h"

typedef struct {
    int32_t length; /* samples of a channel */
    int32_t channels;
    int32_t zero_point;  /* of the samples */
    int32_t measures;    /* results per channel */
    int32_t crossings;   /* 1: zero crossings are among them */
    int32_t moments;     /* 1: skew or kurtosis is among them */
    int32_t moment_bits; /* of deviations from the mean, so that the sum of fourth powers fits */
} tflm_ext_statistics_t;

/* What can be measured. */
enum {
    TFLM_EXT_MEAN,
    TFLM_EXT_RMS,
    TFLM_EXT_VARIANCE,
    TFLM_EXT_DEVIATION,
    TFLM_EXT_PEAK,
    TFLM_EXT_PEAK_TO_PEAK,
    TFLM_EXT_ZERO_CROSSINGS,
    TFLM_EXT_ENERGY,
    TFLM_EXT_SKEW,
    TFLM_EXT_KURTOSIS,
    TFLM_EXT_CREST
};

/* What the results are computed from. */
typedef struct {
    int64_t sum;       /* of the samples */
    int64_t squares;   /* of the samples */
    int32_t least;     /* smallest sample */
    int32_t most;      /* largest sample */
    int32_t crossings; /* changes of sign */
    float skew;
    float kurtosis;
} tflm_ext_statistics_sums_t;

/* Sums and extremes of one channel, whose samples alternate with those of the others. */
static inline void tflm_ext_statistics_add(int32_t length, int32_t channels, const int16_t *input,
                                           tflm_ext_statistics_sums_t *sums)
{
    int64_t squares = 0;
    int32_t sum = 0; /* at most 2^16 samples, so it fits */
    int32_t least = 32767;
    int32_t most = -32768;
    int32_t i = 0;

    if ((channels == 1) && (length > 1)) {
        uint32_t pair_sum = 0U;
        uint32_t pair_least = 0x7FFF7FFFU;
        uint32_t pair_most = 0x80008000U;

        for (; i < (length - 1); i += 2) {
            const uint32_t pair = tflm_ext_load_pair(&input[i]);

            pair_sum = tflm_ext_smlad(pair, 0x00010001U, pair_sum);
            squares = tflm_ext_smlald(pair, pair, squares);
            pair_least = tflm_ext_pair_min(pair, pair_least);
            pair_most = tflm_ext_pair_max(pair, pair_most);
        }
        sum = (int32_t)pair_sum;
        least = tflm_ext_min(tflm_ext_low(pair_least), tflm_ext_high(pair_least));
        most = tflm_ext_max(tflm_ext_low(pair_most), tflm_ext_high(pair_most));
    }
    for (; i < length; ++i) {
        const int32_t sample = input[i * channels];

        sum += sample;
        squares += (int64_t)sample * sample;
        least = tflm_ext_min(least, sample);
        most = tflm_ext_max(most, sample);
    }
    sums->sum = sum;
    sums->squares = squares;
    sums->least = least;
    sums->most = most;
}

/* How often the sign changes from one sample to the next; zero counts as positive. */
static inline int32_t tflm_ext_statistics_crossings(const tflm_ext_statistics_t *op,
                                                    const int16_t *input)
{
    int32_t before = input[0] - op->zero_point;
    int32_t crossings = 0;

    for (int32_t i = 1; i < op->length; ++i) {
        const int32_t sample = input[i * op->channels] - op->zero_point;

        crossings += ((sample ^ before) < 0) ? 1 : 0;
        before = sample;
    }
    return crossings;
}

/*
 * Skew and kurtosis, from the exact sums of powers of the deviations from a center next to the
 * mean. Deviations are shifted right if the fourth powers would not fit.
 */
static inline void tflm_ext_statistics_moments(const tflm_ext_statistics_t *op,
                                               const int16_t *input,
                                               tflm_ext_statistics_sums_t *sums)
{
    const int32_t length = op->length;
    const int64_t doubled = (2 * sums->sum) + length;
    int32_t center = (int32_t)(doubled / (2 * length));
    if (((int64_t)center * (2 * length)) > doubled) {
        --center; /* rounds down */
    }
    const int32_t widest = tflm_ext_max(sums->most - center, center - sums->least);
    const int32_t shift = tflm_ext_max(tflm_ext_bit_length((uint32_t)widest) - op->moment_bits, 0);
    int32_t firsts = 0;
    int64_t seconds = 0;
    int64_t thirds = 0;
    uint64_t fourths = 0U;

    for (int32_t i = 0; i < length; ++i) {
        const int32_t distance = (input[i * op->channels] - center) >> shift;
        const int32_t square = distance * distance;

        firsts += distance;
        seconds += square;
        thirds += (int64_t)square * distance;
        fourths += (uint64_t)(uint32_t)square * (uint32_t)square;
    }

    const float count = (float)length;
    const float e1 = (float)firsts / count;
    const float e2 = (float)seconds / count;
    const float e3 = (float)thirds / count;
    const float e4 = (float)fourths / count;
    const float square = tflm_ext_product(e1, e1);
    const float m2 = e2 - square;

    sums->skew = 0.0f;
    sums->kurtosis = 0.0f;
    if ((seconds == 0) || !(m2 > 0.0f)) {
        return; /* all samples are equal */
    }

    /* About the mean: e3 - 3 e1 e2 + 2 e1^3, and e4 - 4 e1 e3 + 6 e1^2 e2 - 3 e1^4. */
    float m3 = tflm_ext_subtract_product(e3, tflm_ext_product(3.0f, e1), e2);
    m3 = tflm_ext_add_product(m3, tflm_ext_product(2.0f, e1), square);
    float m4 = tflm_ext_subtract_product(e4, tflm_ext_product(4.0f, e1), e3);
    m4 = tflm_ext_add_product(m4, tflm_ext_product(6.0f, square), e2);
    m4 = tflm_ext_subtract_product(m4, tflm_ext_product(3.0f, square), square);
    sums->skew = m3 / tflm_ext_product(m2, tflm_ext_float_root(m2));
    sums->kurtosis = m4 / tflm_ext_product(m2, m2);
}

/* One result, in counts. */
static inline float tflm_ext_statistics_measure(const tflm_ext_statistics_t *op, int32_t measure,
                                                const tflm_ext_statistics_sums_t *sums)
{
    const int64_t length = op->length;
    const int64_t zero = op->zero_point;
    const int64_t energy = sums->squares - (2 * zero * sums->sum) + (length * zero * zero);
    const int32_t peak = tflm_ext_max(sums->most - op->zero_point, op->zero_point - sums->least);

    switch (measure) {
    case TFLM_EXT_MEAN:
        return (float)(sums->sum - (length * zero)) / (float)length;
    case TFLM_EXT_RMS:
        return tflm_ext_float_root((float)energy / (float)length);
    case TFLM_EXT_VARIANCE:
    case TFLM_EXT_DEVIATION: {
        const int64_t spread = (length * sums->squares) - (sums->sum * sums->sum);
        const float variance = (float)spread / (float)(length * length);
        return (measure == TFLM_EXT_VARIANCE) ? variance : tflm_ext_float_root(variance);
    }
    case TFLM_EXT_PEAK:
        return (float)peak;
    case TFLM_EXT_PEAK_TO_PEAK:
        return (float)(sums->most - sums->least);
    case TFLM_EXT_ZERO_CROSSINGS:
        return (float)sums->crossings;
    case TFLM_EXT_ENERGY:
        return (float)energy;
    case TFLM_EXT_SKEW:
        return sums->skew;
    case TFLM_EXT_KURTOSIS:
        return sums->kurtosis;
    default: {
        const float rms = tflm_ext_float_root((float)energy / (float)length);
        return (energy > 0) ? ((float)peak / rms) : 0.0f;
    }
    }
}

static inline void tflm_ext_statistics(const tflm_ext_statistics_t *op, const int16_t *input,
                                       const int8_t *measures, const float *units, float *output)
{
    for (int32_t channel = 0; channel < op->channels; ++channel) {
        tflm_ext_statistics_sums_t sums = { 0 };

        tflm_ext_statistics_add(op->length, op->channels, &input[channel], &sums);
        if (op->crossings != 0) {
            sums.crossings = tflm_ext_statistics_crossings(op, &input[channel]);
        }
        if (op->moments != 0) {
            tflm_ext_statistics_moments(op, &input[channel], &sums);
        }
        for (int32_t i = 0; i < op->measures; ++i) {
            const float found = tflm_ext_statistics_measure(op, measures[i], &sums);

            output[(channel * op->measures) + i] = tflm_ext_product(found, units[i]);
        }
    }
}

#endif
