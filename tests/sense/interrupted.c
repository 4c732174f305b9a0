/*
 * Runs a pipeline whose step function is interrupted, at random copies in memory and in the middle
 * of them, by pushes of random sizes. Writes the samples that were kept to the first file, what the
 * last stage gives to the second one, and the number of lost samples to stdout.
 *
 * The counters of the ring begin just before they wrap.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ear_sense.h"

#define LOST_BEFORE 0xFFFFFFF0U

static ear_sense_t context;
static FILE *kept_samples;
static FILE *features;
static unsigned long long state = SEED;
static int interrupted = 1; /* so is everything before the first step */
static unsigned long long expected;

static unsigned random_below(unsigned limit)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state >> 33) % limit;
}

static void interrupt(void)
{
    static SAMPLE samples[2U * EAR_SENSE_RING * EAR_SENSE_CHANNELS + 1U];
    const unsigned most =
        (random_below(5U) == 0U) ? (2U * EAR_SENSE_RING) : (EAR_SENSE_RING / 4U + 1U);
    const unsigned count = random_below(most + 1U);
    const unsigned ready = context.written - context.taken;
    const unsigned kept = (count < EAR_SENSE_RING - ready) ? count : (EAR_SENSE_RING - ready);

    for (unsigned i = 0U; i < count * EAR_SENSE_CHANNELS; ++i) {
        samples[i] = (SAMPLE)random_below(1U << 16);
    }
    ear_sense_push(&context, samples, count);
    (void)fwrite(samples, sizeof samples[0] * EAR_SENSE_CHANNELS, kept, kept_samples);
    expected += count - kept;
}

static void maybe_interrupt(void)
{
    if (!interrupted && (random_below(24U) == 0U)) {
        interrupted = 1;
        interrupt();
        interrupted = 0;
    }
}

/* The pipeline's memcpy and memmove, with an interrupt before, in the middle or after. */
void *interrupted_memmove(void *to, const void *from, size_t size)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    const size_t middle = (size > 0U) ? random_below((unsigned)size) : 0U;
    const int down = target > source;

    maybe_interrupt();
    for (size_t i = 0U; i < size; ++i) {
        const size_t at = down ? (size - 1U - i) : i;
        target[at] = source[at];
        if (i == middle) {
            maybe_interrupt();
        }
    }
    maybe_interrupt();
    return to;
}

void ear_sense_trace(int32_t stage, const void *data, size_t bytes)
{
    if (stage == LAST) {
        (void)fwrite(data, 1U, bytes, features);
    }
}

int main(int argc, char **argv)
{
    ear_event_t event;

    if (argc != 3) {
        return 2;
    }
    kept_samples = fopen(argv[1], "wb");
    features = fopen(argv[2], "wb");
    if ((kept_samples == NULL) || (features == NULL) ||
        (ear_sense_init(&context) != EAR_SENSE_WAITING)) {
        return 2;
    }
    context.written = 0xFFFFFF00U;
    context.taken = 0xFFFFFF00U;
    context.lost = LOST_BEFORE;
    for (unsigned steps = 0U; steps < STEPS; ++steps) {
        interrupted = 0;
        const ear_sense_status_t status = ear_sense_step(&context, &event);
        interrupted = 1;
        if (status < EAR_SENSE_WAITING) {
            return 3;
        }
        if (status == EAR_SENSE_WAITING) {
            interrupt();
        }
    }
    do { /* what remains */
        interrupted = 1;
    } while (ear_sense_step(&context, &event) != EAR_SENSE_WAITING);
    if ((uint32_t)(event.lost - LOST_BEFORE) != (uint32_t)expected) {
        return 4;
    }
    printf("%llu\n", expected);
    return fclose(kept_samples) | fclose(features);
}
