/* SPDX-License-Identifier: 0BSD */
/* A board that has only a clock, which the test moves. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

unsigned long micros();
void delay(unsigned long milliseconds);

#endif /* ARDUINO_H */
