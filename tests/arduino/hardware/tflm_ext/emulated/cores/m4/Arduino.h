/* SPDX-License-Identifier: 0BSD */
/*
 * As much of the Arduino interface as generated firmware and sketches use, with the types of the
 * real one, for the emulated core. Serial is the machine's first UART.
 */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { LOW = 0, HIGH = 1 } PinStatus;
typedef enum { INPUT = 0, OUTPUT = 1 } PinMode;
typedef uint8_t pin_size_t;

#define LED_BUILTIN (13u)

void setup(void);
void loop(void);
void pinMode(pin_size_t pin, PinMode mode);
void digitalWrite(pin_size_t pin, PinStatus value);
unsigned long micros(void);
void delay(unsigned long milliseconds);

#ifdef __cplusplus
} /* extern "C" */

class SerialPort
{
public:
    void begin(unsigned long baud);
    int available();
    int read();
    size_t write(uint8_t byte);
    size_t write(const uint8_t *bytes, size_t size);
    size_t write(const char *text, size_t size);
    size_t print(const char *text);
    size_t print(long number);
    size_t print(unsigned long number);
    size_t print(double number, int digits = 2);
    size_t println(const char *text);
};

extern SerialPort Serial;
#endif

#endif /* ARDUINO_H */
