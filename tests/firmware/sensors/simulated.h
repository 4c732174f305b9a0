/* SPDX-License-Identifier: 0BSD */
/*
 * An I2C bus with a simulated clock, and what is on it. Written from the data sheets: whatever they
 * forbid ends the program.
 */
#ifndef SIMULATED_H
#define SIMULATED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensors/bus.h"

namespace simulated {

inline void forbidden(const char *what, unsigned at, unsigned value)
{
    printf("forbidden: %s at 0x%02X, value 0x%02X\n", what, at, value);
    exit(3);
}

/* The real sample number `k` of a sensor, in the axes of the board. */
inline int16_t value_of(uint32_t k, size_t axis)
{
    static const uint32_t steps[6] = { 1, 3, 65531, 11, 65535, 7 };
    const int32_t value =
        static_cast<int32_t>((steps[axis] * k + 1000u * (axis + 1)) & 0xFFFFu) - 32768;
    return static_cast<int16_t>(value < -32767 ? -32767 : value); /* can be negated */
}

class Device {
  public:
    explicit Device(uint8_t device) : address(device)
    {
    }

    virtual ~Device()
    {
    }

    /* What happens until a time, in microseconds. */
    virtual void until(uint64_t now) = 0;

    virtual void read(uint8_t first, uint8_t *values, size_t count) = 0;

    virtual void write(uint8_t at, uint8_t value) = 0;

    /* As after the power comes on. */
    virtual void reset() = 0;

    /* What a register contains. */
    virtual uint8_t content(uint8_t at) const = 0;

    uint8_t address;
    bool present = true;
    uint64_t ready = 0;  /* when it answers, after a reset */
    bool silent = false; /* it answers, and measures nothing */
    double rate = 1.0;   /* times the nominal one */
};

class Bus : public sensors::Bus {
  public:
    explicit Bus(Device *device) : _device(device)
    {
    }

    bool read(uint8_t device, uint8_t first, uint8_t *values, size_t count) override
    {
        if (count == 0 || count > 240) {
            forbidden("a burst that Wire cannot hold", first, static_cast<unsigned>(count));
        }
        const bool good = transfer(device, count + 3);
        if (floating) {
            memset(values, 0xFF, count);
            return true;
        }
        if (good || (_halves > 0 && answers(device))) {
            _device->read(first, values, good || _halves > 1 ? count : (count + 1) / 2);
        }
        return good;
    }

    bool write(uint8_t device, uint8_t at, uint8_t value) override
    {
        const bool good = transfer(device, 3);
        if (good || (_halves > 1 && answers(device))) {
            _device->write(at, value);
        }
        return good;
    }

    uint32_t microseconds() override
    {
        return static_cast<uint32_t>(now); /* wraps around after a little more than an hour */
    }

    void wait(uint32_t milliseconds) override
    {
        pass(1000ull * milliseconds);
    }

    void pass(uint64_t microseconds)
    {
        now += microseconds;
        _device->until(now);
    }

    /* Lets the transfers from number `first` on fail: at once, or after half or all of the bytes. */
    void fail(uint32_t first, uint32_t count, int halves)
    {
        _fail_first = first;
        _fail_count = count;
        _halves = halves;
    }

    uint64_t now = 4200000000ull; /* the clock of the driver wraps around soon */
    uint32_t transfers = 0;
    uint32_t stuck = 0;    /* microseconds that a failing transfer takes */
    bool floating = false; /* whether all bits that are read are 1, as without a device */

  private:
    bool answers(uint8_t device) const
    {
        return _device->present && device == _device->address && now >= _device->ready;
    }

    bool transfer(uint8_t device, size_t bytes)
    {
        const bool fails = transfers - _fail_first < _fail_count;
        ++transfers;
        pass(fails && stuck > 0 ? stuck : 23u * bytes);
        return !fails && answers(device);
    }

    Device *const _device;
    uint32_t _fail_first = 0;
    uint32_t _fail_count = 0;
    int _halves = 0;
};

/* Numbers of samples, which go on with the time, also while the sensor is off. */
class Numbers {
  public:
    /* How many there are until a time; `hertz` is 0 while the sensor is off. */
    uint32_t until(uint64_t now, double hertz)
    {
        if (hertz > 0 && _rate != hertz) {
            _base = made;
            _from = now;
            _rate = hertz;
        }
        return _base + static_cast<uint32_t>(static_cast<double>(now - _from) * 1e-6 * _rate);
    }

    uint32_t made = 0;

  private:
    double _rate = 0;
    uint64_t _from = 0;
    uint32_t _base = 0;
};

/* Samples that are waiting, each by its number. */
class Queue {
  public:
    void clear()
    {
        size = 0;
    }

    void put(uint32_t k)
    {
        _numbers[(_first + size++) % MOST] = k;
    }

    uint32_t front() const
    {
        return _numbers[_first % MOST];
    }

    void pop()
    {
        ++_first;
        --size;
    }

    size_t size = 0;

  private:
    static const size_t MOST = 512;
    uint32_t _numbers[MOST];
    size_t _first = 0;
};

inline void put_little_endian(uint8_t *bytes, int16_t value)
{
    bytes[0] = static_cast<uint8_t>(value & 0xFF);
    bytes[1] = static_cast<uint8_t>((value >> 8) & 0xFF);
}

} // namespace simulated

#endif /* SIMULATED_H */
