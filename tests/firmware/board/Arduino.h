/* SPDX-License-Identifier: 0BSD */
/*
 * A board on the computer, for tests: Serial is standard input and output, and a sensor interrupts
 * delay(). CLOCK is how much faster its clock runs.
 */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LED_BUILTIN 13
#define OUTPUT 1
#define LOW 0
#define HIGH 1

void setup();
void loop();
void sensor_interrupt();

inline void pinMode(int, int)
{
}

inline void digitalWrite(int, int)
{
}

inline unsigned long micros()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const unsigned long seconds = static_cast<unsigned long>(now.tv_sec);
    return CLOCK * (seconds * 1000000ul + static_cast<unsigned long>(now.tv_nsec) / 1000ul);
}

inline void delay(unsigned long milliseconds)
{
    sensor_interrupt();
    usleep(static_cast<useconds_t>(1000ul * milliseconds));
}

struct SerialPort {
    void begin(unsigned long)
    {
    }

    int available()
    {
        struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
        return poll(&input, 1, 0);
    }

    int read()
    {
        unsigned char byte = 0;
        if (::read(STDIN_FILENO, &byte, 1) != 1) {
            exit(0);
        }
        return byte;
    }

    void write(const char *text, size_t length)
    {
        if (::write(STDOUT_FILENO, text, length) != static_cast<ssize_t>(length)) {
            exit(1);
        }
    }
};

extern SerialPort Serial;

#endif /* ARDUINO_H */
