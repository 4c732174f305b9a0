/* SPDX-License-Identifier: 0BSD */
/*
 * Accelerometer and gyroscope of the LSM9DS1, as on the Arduino Nano 33 BLE Sense Rev1. The
 * magnetometer is not used.
 */
#ifndef SENSORS_LSM9DS1_H
#define SENSORS_LSM9DS1_H

#include "imu.h"

namespace sensors {

class Lsm9ds1 : public Imu {
  public:
    explicit Lsm9ds1(const ImuSetup &setup) : _setup(setup)
    {
    }

    const char *name() const override
    {
        return "LSM9DS1";
    }

    const ImuSetup &setup() const override
    {
        return _setup;
    }

    bool start(Bus &bus) override
    {
        if (!bus.has(DEVICE, WHO_AM_I, IDENTITY) || !bus.write(DEVICE, CTRL_REG8, RESET)) {
            return false;
        }
        bus.wait(10);
        const uint8_t rate = static_cast<uint8_t>(_setup.rate << 5);
        const uint8_t rotation =
            static_cast<uint8_t>(rate | (_setup.rotation_range << 3) | WIDEST_BAND);
        const uint8_t acceleration = static_cast<uint8_t>(rate | (_setup.acceleration_range << 3));
        return bus.set(DEVICE, CTRL_REG8, WHOLE_SAMPLES) &&
               bus.set(DEVICE, CTRL_REG1_G, _setup.rotation ? rotation : 0) &&
               bus.set(DEVICE, CTRL_REG6_XL, acceleration) &&
               bus.set(DEVICE, CTRL_REG9, FIFO_ENABLED) && bus.set(DEVICE, FIFO_CTRL, CONTINUOUS);
    }

    Taken take(Bus &bus, Counts *samples, size_t most) override
    {
        Taken taken = {};
        uint8_t state = 0;
        taken.failed = !bus.read(DEVICE, FIFO_SRC, &state, 1);
        const size_t waiting = state & STORED;
        if (taken.failed || waiting > DEPTH) {
            taken.failed = true;
            return taken;
        }
        taken.overrun = (state & OVERRUN) != 0;
        const size_t wanted = waiting < most ? waiting : most;
        while (taken.count < wanted && read_sample(bus, samples[taken.count])) {
            ++taken.count;
        }
        taken.failed = taken.count < wanted;
        taken.left = waiting - taken.count;
        return taken;
    }

  private:
    static const uint8_t DEVICE = 0x6B;

    static const uint8_t WHO_AM_I = 0x0F;
    static const uint8_t CTRL_REG1_G = 0x10;
    static const uint8_t OUT_X_G = 0x18;
    static const uint8_t CTRL_REG6_XL = 0x20;
    static const uint8_t CTRL_REG8 = 0x22;
    static const uint8_t CTRL_REG9 = 0x23;
    static const uint8_t OUT_X_XL = 0x28;
    static const uint8_t FIFO_CTRL = 0x2E;
    static const uint8_t FIFO_SRC = 0x2F;

    static const uint8_t IDENTITY = 0x68;
    static const uint8_t RESET = 0x05;         /* SW_RESET and IF_ADD_INC */
    static const uint8_t WHOLE_SAMPLES = 0x44; /* BDU and IF_ADD_INC */
    static const uint8_t WIDEST_BAND = 0x03;
    static const uint8_t FIFO_ENABLED = 0x02;
    static const uint8_t CONTINUOUS = 0xC0; /* the oldest sample is overwritten */
    static const uint8_t STORED = 0x3F;
    static const uint8_t OVERRUN = 0x40;
    static const size_t DEPTH = 32;

    /*
     * One burst for each sensor. Longer ones would rely on how the address wraps around within the
     * buffer.
     */
    bool read_sample(Bus &bus, Counts &sample) const
    {
        uint8_t bytes[12] = {};
        if ((_setup.rotation && !bus.read(DEVICE, OUT_X_G, &bytes[6], 6)) ||
            !bus.read(DEVICE, OUT_X_XL, bytes, 6)) {
            return false;
        }
        for (size_t i = 0; i < 6; ++i) {
            sample[i] = little_endian(&bytes[2 * i]);
        }
        return true;
    }

    const ImuSetup _setup;
};

} // namespace sensors

#endif /* SENSORS_LSM9DS1_H */
