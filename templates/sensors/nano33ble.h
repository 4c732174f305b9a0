/* SPDX-License-Identifier: 0BSD */
/* The inner I2C bus of the Arduino Nano 33 BLE Sense, Wire1, on which its sensors are. */
#ifndef SENSORS_NANO33BLE_H
#define SENSORS_NANO33BLE_H

#include <Arduino.h>
#include <Wire.h>

#include "bus.h"

namespace sensors {

class Nano33bleBus : public Bus {
  public:
    bool read(uint8_t device, uint8_t first, uint8_t *values, size_t count) override
    {
        if (count > MOST_BYTES || !select(device, first) || Wire1.endTransmission(false) != 0) {
            return false;
        }
        bool complete = Wire1.requestFrom(device, count) == count;
        for (size_t i = 0; complete && i < count; ++i) {
            const int value = Wire1.read();
            complete = value >= 0;
            values[i] = static_cast<uint8_t>(value);
        }
        while (Wire1.available() > 0) {
            (void)Wire1.read(); /* of a transfer that failed */
        }
        return complete;
    }

    bool write(uint8_t device, uint8_t at, uint8_t value) override
    {
        return select(device, at) && Wire1.write(value) == 1 && Wire1.endTransmission() == 0;
    }

    uint32_t microseconds() override
    {
        return static_cast<uint32_t>(micros());
    }

    void wait(uint32_t milliseconds) override
    {
        delay(milliseconds);
    }

    /* Starts the bus at 400 kHz. */
    void begin()
    {
        Wire1.begin();
        Wire1.setClock(400000);
        _begun = true;
    }

  private:
    bool select(uint8_t device, uint8_t at)
    {
        if (!_begun) {
            begin();
        }
        Wire1.beginTransmission(device);
        return Wire1.write(at) == 1;
    }

    bool _begun = false;
};

inline Nano33bleBus &nano33ble_bus()
{
    static Nano33bleBus bus;
    return bus;
}

} // namespace sensors

#endif /* SENSORS_NANO33BLE_H */
