/* SPDX-License-Identifier: 0BSD */
/*
 * The inner I2C bus of the simulated board, which behaves as on the Nano 33 BLE: what was received
 * stays until it is read, buffers hold 256 bytes, and begin() sets 100 kHz.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct WireDevice {
    virtual ~WireDevice()
    {
    }

    virtual bool answers(uint8_t address) = 0;
    virtual void write(uint8_t at, uint8_t value) = 0;
    virtual void read(uint8_t first, uint8_t *values, size_t count) = 0;

    /* How many bytes of a transfer arrive. */
    virtual size_t arriving(size_t count)
    {
        return count;
    }
};

class TwoWire {
  public:
    void begin()
    {
        clock = 100000;
        _written = 0;
    }

    void setClock(uint32_t hertz)
    {
        clock = hertz;
    }

    void beginTransmission(uint8_t address)
    {
        _address = address;
        _written = 0;
    }

    size_t write(uint8_t value)
    {
        if (_written == sizeof _out) {
            return 0;
        }
        _out[_written++] = value;
        return 1;
    }

    uint8_t endTransmission(bool stop = true)
    {
        if (clock == 0) {
            puts("forbidden: a transfer before begin()");
            exit(3);
        }
        if (device == NULL || _written == 0 || !device->answers(_address)) {
            return 2;
        }
        _first = _out[0];
        if (_written == 2 && stop) {
            device->write(_first, _out[1]);
        }
        return 0;
    }

    size_t requestFrom(uint8_t address, size_t count)
    {
        uint8_t bytes[256];
        if (device == NULL || count > sizeof bytes || !device->answers(address)) {
            return 0;
        }
        device->read(_first, bytes, count);
        const size_t given = device->arriving(count);
        for (size_t i = 0; i < given && _received < sizeof _in; ++i) {
            _in[(_taken + _received++) % sizeof _in] = bytes[i];
        }
        return given;
    }

    int available()
    {
        return static_cast<int>(_received);
    }

    int read()
    {
        if (_received == 0) {
            return -1;
        }
        --_received;
        return _in[_taken++ % sizeof _in];
    }

    WireDevice *device = NULL;
    uint32_t clock = 0;

  private:
    uint8_t _address = 0;
    uint8_t _first = 0;
    uint8_t _out[256];
    uint8_t _in[256];
    size_t _written = 0;
    size_t _received = 0;
    size_t _taken = 0;
};

extern TwoWire Wire1;

#endif /* WIRE_H */
