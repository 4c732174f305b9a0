/* SPDX-License-Identifier: 0BSD */
/* What the drivers of sensors need from a board: an I2C bus and a clock. */
#ifndef SENSORS_BUS_H
#define SENSORS_BUS_H

#include <stddef.h>
#include <stdint.h>

namespace sensors {

/* The most bytes of one transfer: the Wire library of the Nano 33 BLE has buffers of 256. */
static const size_t MOST_BYTES = 240;

/*
 * An I2C bus. A transfer always ends; it returns false if the device did not answer, and the
 * drivers then take no value from it.
 */
class Bus {
  public:
    /* Reads `count` bytes from the registers that begin with `first`. */
    virtual bool read(uint8_t device, uint8_t first, uint8_t *values, size_t count) = 0;

    virtual bool write(uint8_t device, uint8_t at, uint8_t value) = 0;

    /* A clock that wraps around. */
    virtual uint32_t microseconds() = 0;

    virtual void wait(uint32_t milliseconds) = 0;

    /* Whether a register has this value. */
    bool has(uint8_t device, uint8_t at, uint8_t value)
    {
        uint8_t found = 0;
        return read(device, at, &found, 1) && found == value;
    }

    /* Writes a register, and checks that it keeps the value. */
    bool set(uint8_t device, uint8_t at, uint8_t value)
    {
        return write(device, at, value) && has(device, at, value);
    }

  protected:
    ~Bus()
    {
    }
};

/* The int16 of two bytes, the lower one first. */
inline int16_t little_endian(const uint8_t *bytes)
{
    const int32_t value = bytes[0] | (bytes[1] << 8);
    return static_cast<int16_t>(value < 32768 ? value : value - 65536);
}

} // namespace sensors

#endif /* SENSORS_BUS_H */
