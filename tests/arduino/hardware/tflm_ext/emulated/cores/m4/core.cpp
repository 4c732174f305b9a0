/* SPDX-License-Identifier: 0BSD */
/* Serial, time and pins of the emulated core, and the loop around a sketch. */
#include "Arduino.h"

namespace
{
// UART 0 and timer 0 of the machine; the timer counts down at 25 MHz.
struct Uart {
    uint32_t data;
    uint32_t state; // bit 0: cannot send now, bit 1: a byte has arrived
    uint32_t control;
    uint32_t interrupts;
    uint32_t divider;
};

struct Timer {
    uint32_t control;
    uint32_t value;
    uint32_t reload;
};

volatile Uart *const uart = reinterpret_cast<volatile Uart *>(0x40004000u);
volatile Timer *const timer = reinterpret_cast<volatile Timer *>(0x40000000u);
} // namespace

SerialPort Serial;

void SerialPort::begin(unsigned long baud)
{
    uart->divider = 25000000u / static_cast<uint32_t>(baud);
    uart->control = 3u; // send and receive
}

int SerialPort::available()
{
    return (uart->state & 2u) != 0u ? 1 : 0;
}

int SerialPort::read()
{
    return available() > 0 ? static_cast<int>(uart->data & 0xFFu) : -1;
}

size_t SerialPort::write(uint8_t byte)
{
    while ((uart->state & 1u) != 0u) {
    }
    uart->data = byte;
    return 1;
}

size_t SerialPort::write(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        write(bytes[i]);
    }
    return size;
}

size_t SerialPort::write(const char *text, size_t size)
{
    return write(reinterpret_cast<const uint8_t *>(text), size);
}

size_t SerialPort::print(const char *text)
{
    return write(text, strlen(text));
}

size_t SerialPort::print(long number)
{
    const unsigned long size = static_cast<unsigned long>(number < 0 ? -number : number);
    return (number < 0 ? print("-") : 0u) + print(size);
}

size_t SerialPort::print(unsigned long number)
{
    char text[24];
    size_t at = sizeof text;
    do {
        text[--at] = static_cast<char>('0' + number % 10u);
        number /= 10u;
    } while (number != 0u);
    return write(text + at, sizeof text - at);
}

size_t SerialPort::print(double number, int digits)
{
    size_t size = number < 0 ? print("-") : 0u;
    double half = 0.5;
    for (int i = 0; i < digits; ++i) {
        half /= 10;
    }
    double rest = (number < 0 ? -number : number) + half;
    size += print(static_cast<unsigned long>(rest)) + print(".");
    for (int i = 0; i < digits; ++i) {
        rest = (rest - static_cast<double>(static_cast<unsigned long>(rest))) * 10;
        size += write(static_cast<uint8_t>('0' + static_cast<int>(rest)));
    }
    return size;
}

size_t SerialPort::println(const char *text)
{
    return print(text) + print("\r\n");
}

unsigned long micros()
{
    return (0xFFFFFFFFu - timer->value) / 25u;
}

// Nothing waits for the emulated core.
void delay(unsigned long milliseconds)
{
    (void)milliseconds;
}

void pinMode(pin_size_t pin, PinMode mode)
{
    (void)pin;
    (void)mode;
}

// The emulated LED is a line of text.
void digitalWrite(pin_size_t pin, PinStatus value)
{
    if (pin == LED_BUILTIN) {
        Serial.println(value == HIGH ? "LED on" : "LED off");
    }
}

int main()
{
    timer->reload = 0xFFFFFFFFu;
    timer->value = 0xFFFFFFFFu;
    timer->control = 1u;
    setup();
    for (;;) {
        loop();
    }
}
