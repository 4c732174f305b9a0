/* SPDX-License-Identifier: 0BSD */
/* Proximity by the APDS9960, which both revisions of the Nano 33 BLE Sense have. */
#ifndef SENSORS_APDS9960_H
#define SENSORS_APDS9960_H

#include "gauge.h"

namespace sensors {

/* The infrared light that comes back, from 0 for nothing to 255 for something very close. */
class Apds9960Proximity : public Gauge {
  public:
    bool start(Bus &bus) override
    {
        return bus.has(DEVICE, ID, IDENTITY) && bus.set(DEVICE, ENABLE, 0) &&
               bus.set(DEVICE, PPULSE, PULSES) && bus.set(DEVICE, CONTROL, GAIN) &&
               bus.set(DEVICE, ENABLE, PROXIMITY);
    }

    bool read(Bus &bus, int32_t &counts) override
    {
        uint8_t state = 0;
        uint8_t value = 0;
        if (!bus.has(DEVICE, ENABLE, PROXIMITY) || !bus.read(DEVICE, STATUS, &state, 1) ||
            (state & VALID) == 0 || !bus.read(DEVICE, PDATA, &value, 1)) {
            return false;
        }
        counts = value;
        return true;
    }

  private:
    static const uint8_t DEVICE = 0x39;
    static const uint8_t ENABLE = 0x80;
    static const uint8_t PPULSE = 0x8E;
    static const uint8_t CONTROL = 0x8F;
    static const uint8_t ID = 0x92;
    static const uint8_t STATUS = 0x93;
    static const uint8_t PDATA = 0x9C;

    static const uint8_t IDENTITY = 0xAB;
    static const uint8_t PROXIMITY = 0x05; /* PON and PEN */
    static const uint8_t PULSES = 0x87;    /* 8 pulses of 16 microseconds */
    static const uint8_t GAIN = 0x08;      /* 4, with 100 mA */
    static const uint8_t VALID = 0x02;
};

} // namespace sensors

#endif /* SENSORS_APDS9960_H */
