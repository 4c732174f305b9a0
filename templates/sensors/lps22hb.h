/* SPDX-License-Identifier: 0BSD */
/* Pressure and temperature of the LPS22HB, which both revisions of the Nano 33 BLE Sense have. */
#ifndef SENSORS_LPS22HB_H
#define SENSORS_LPS22HB_H

#include "gauge.h"

namespace sensors {

/* What pressure and temperature have in common. */
class Lps22hb : public Gauge {
  public:
    bool start(Bus &bus) override
    {
        return bus.has(DEVICE, WHO_AM_I, IDENTITY) && bus.set(DEVICE, CTRL_REG1, MEASURING);
    }

  protected:
    static const uint8_t DEVICE = 0x5C;
    static const uint8_t WHO_AM_I = 0x0F;
    static const uint8_t CTRL_REG1 = 0x10;
    static const uint8_t STATUS = 0x27;
    static const uint8_t PRESS_OUT = 0x28;
    static const uint8_t TEMP_OUT = 0x2B;

    static const uint8_t IDENTITY = 0xB1;
    static const uint8_t MEASURING = 0x32; /* 25 Hz, and values that belong together */

    ~Lps22hb()
    {
    }

    /* Whether it still measures: after its power failed, it does not. */
    bool is_measuring(Bus &bus)
    {
        return bus.has(DEVICE, CTRL_REG1, MEASURING);
    }
};

/* In counts of 1 / 4096 hPa. */
class Lps22hbPressure : public Lps22hb {
  public:
    bool read(Bus &bus, int32_t &counts) override
    {
        uint8_t bytes[3];
        if (!is_measuring(bus) || !bus.read(DEVICE, PRESS_OUT, bytes, sizeof bytes)) {
            return false;
        }
        const int32_t value = bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
        counts = value < 0x800000 ? value : value - 0x1000000;
        return counts != 0; /* nothing was measured yet */
    }
};

/* Of the chip, which is warmer than the air around the board; in counts of 0.01 degrees Celsius. */
class Lps22hbTemperature : public Lps22hb {
  public:
    bool read(Bus &bus, int32_t &counts) override
    {
        uint8_t bytes[2];
        uint8_t state = 0;
        if (!is_measuring(bus) || (!_measured && !bus.read(DEVICE, STATUS, &state, 1)) ||
            (!_measured && (state & TEMPERATURE_READY) == 0) ||
            !bus.read(DEVICE, TEMP_OUT, bytes, sizeof bytes)) {
            return false;
        }
        _measured = true;
        counts = little_endian(bytes);
        return true;
    }

    bool start(Bus &bus) override
    {
        _measured = false;
        return Lps22hb::start(bus);
    }

  private:
    static const uint8_t TEMPERATURE_READY = 0x02;

    bool _measured = false;
};

} // namespace sensors

#endif /* SENSORS_LPS22HB_H */
