/* SPDX-License-Identifier: 0BSD */
/*
 * A sensor for the program of this computer, whose samples come from a file:
 *
 *     program --sensor FILE [SPEED]
 *
 * The file has samples of the sensor's type, lowest byte first, with channels alternating, and
 * nothing else. After its end, it starts again. SPEED is how many times faster than the sensor it
 * is read; 1 without.
 */
#ifndef RECORDED_SENSOR_H
#define RECORDED_SENSOR_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__unix__) || defined(__APPLE__)
#define RECORDED_SENSOR 1
#include <poll.h>
#include <time.h>
#include <unistd.h>
#endif

/* What the firmware provides. */
typedef struct {
    size_t bytes; /* of a sample of all channels */
    double rate;  /* samples per second */
    void (*sense)(const void *sample);
    void (*work)(void);      /* computes and sends what is ready */
    void (*hear)(char byte); /* takes a byte of standard input */
} recorded_sensor_t;

#if defined(RECORDED_SENSOR)

#define RECORDED_SENSOR_BYTES 65536u /* most bytes of a sample */

/* Reads the next sample; from the start of the file again after its end. 0 if there is none. */
static inline int recorded_sensor_read(FILE *file, void *sample, size_t bytes)
{
    if (fread(sample, bytes, 1, file) == 1u) {
        return 1;
    }
    rewind(file);
    return fread(sample, bytes, 1, file) == 1u;
}

/* Takes what is at standard input, for a millisecond; 0 at its end. */
static inline int recorded_sensor_hear(const recorded_sensor_t *self)
{
    struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
    char bytes[256];
    if (poll(&input, 1, 1) <= 0) {
        return 1;
    }
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    for (ssize_t i = 0; i < count; ++i) {
        self->hear(bytes[i]);
    }
    return count > 0;
}

/* Runs until standard input ends; returns the exit status. */
static inline int recorded_sensor_run(const recorded_sensor_t *self, int count, char **arguments)
{
    static uint64_t sample[RECORDED_SENSOR_BYTES / sizeof(uint64_t)];
    const double speed = count == 4 ? strtod(arguments[3], NULL) : 1.0;
    if (count < 3 || count > 4 || strcmp(arguments[1], "--sensor") != 0 || !(speed > 0.0) ||
        self->bytes > RECORDED_SENSOR_BYTES) {
        (void)fputs("usage: program [--sensor FILE [SPEED]]\n", stderr);
        return 2;
    }
    FILE *const file = fopen(arguments[2], "rb");
    if (file == NULL) {
        perror(arguments[2]);
        return 2;
    }
    double due = 0.0; /* samples that the sensor has, and that were not taken */
    struct timespec last;
    (void)clock_gettime(CLOCK_MONOTONIC, &last);
    int alive = 1;
    while (alive != 0) {
        alive = recorded_sensor_hear(self);
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        const double seconds =
            (double)(now.tv_sec - last.tv_sec) + 1e-9 * (double)(now.tv_nsec - last.tv_nsec);
        last = now;
        due += (seconds < 0.1 ? seconds : 0.1) * self->rate * speed;
        for (; due >= 1.0 && alive != 0; due -= 1.0) {
            alive = recorded_sensor_read(file, sample, self->bytes);
            if (alive != 0) {
                self->sense(sample);
                self->work();
            }
        }
    }
    (void)fclose(file);
    return 0;
}

#else

static inline int recorded_sensor_run(const recorded_sensor_t *self, int count, char **arguments)
{
    (void)self;
    (void)count;
    (void)arguments;
    return 2;
}

#endif

#endif /* RECORDED_SENSOR_H */
