/* SPDX-License-Identifier: 0BSD */
/*
 * Accelerometer and gyroscope of the BMI270, as on the Arduino Nano 33 BLE Sense Rev2. The sensor
 * needs a program from its manufacturer, which `load` writes into it.
 */
#ifndef SENSORS_BMI270_H
#define SENSORS_BMI270_H

#include "imu.h"

namespace sensors {

class Bmi270 : public Imu {
  public:
    /* Writes the manufacturer's program, and returns whether that succeeded. */
    typedef bool (*Load)();

    Bmi270(const ImuSetup &setup, Load load) : _setup(setup), _load(load)
    {
    }

    const char *name() const override
    {
        return "BMI270";
    }

    const ImuSetup &setup() const override
    {
        return _setup;
    }

    bool start(Bus &bus) override
    {
        uint8_t state = 0;
        if (!bus.has(DEVICE, CHIP_ID, IDENTITY) || !_load() ||
            !bus.read(DEVICE, INTERNAL_STATUS, &state, 1) || (state & 0x0F) != RUNNING ||
            !bus.write(DEVICE, PWR_CONF, AWAKE)) {
            return false;
        }
        bus.wait(1); /* before, a second write would be too early */
        const uint8_t acceleration = static_cast<uint8_t>(ACC_FILTER | _setup.rate);
        const uint8_t rotation = static_cast<uint8_t>(GYR_FILTER | _setup.rate);
        if (!bus.set(DEVICE, PWR_CONF, AWAKE) || !bus.set(DEVICE, ACC_CONF, acceleration) ||
            !bus.set(DEVICE, ACC_RANGE, _setup.acceleration_range) ||
            !bus.set(DEVICE, GYR_CONF, rotation) ||
            !bus.set(DEVICE, GYR_RANGE, _setup.rotation_range) ||
            !bus.set(DEVICE, FIFO_DOWNS, FILTERED) || !bus.set(DEVICE, FIFO_CONFIG_0, 0) ||
            !bus.set(DEVICE, FIFO_CONFIG_1, _setup.rotation ? BOTH : ACCELERATION) ||
            !bus.set(DEVICE, PWR_CTRL, _setup.rotation ? BOTH_ON : ACCELERATION_ON)) {
            return false;
        }
        bus.wait(50); /* the gyroscope starts */
        return bus.write(DEVICE, CMD, FLUSH);
    }

    Taken take(Bus &bus, Counts *samples, size_t most) override
    {
        Taken taken = {};
        uint8_t bytes[MOST_BYTES];
        taken.failed = !bus.read(DEVICE, FIFO_LENGTH, bytes, 2);
        if (taken.failed) {
            return taken;
        }
        const size_t frame = _setup.rotation ? 12 : 6;
        const size_t length = static_cast<size_t>(bytes[0] | (bytes[1] << 8));
        const size_t waiting = length / frame;
        size_t wanted = waiting < most ? waiting : most;
        wanted = wanted * frame < MOST_BYTES ? wanted : MOST_BYTES / frame;
        if (length > DEPTH || (wanted > 0 && !bus.read(DEVICE, FIFO_DATA, bytes, wanted * frame))) {
            taken.failed = true;
            return taken;
        }
        taken.overrun = length + frame > DEPTH;
        taken.left = waiting - wanted;
        for (const uint8_t *at = bytes; at != &bytes[wanted * frame]; at += frame) {
            if (is_dummy(at)) {
                ++taken.dropped;
            } else {
                turn(at, samples[taken.count]);
                ++taken.count;
            }
        }
        return taken;
    }

  private:
    static const uint8_t DEVICE = 0x68;

    static const uint8_t CHIP_ID = 0x00;
    static const uint8_t INTERNAL_STATUS = 0x21;
    static const uint8_t FIFO_LENGTH = 0x24;
    static const uint8_t FIFO_DATA = 0x26;
    static const uint8_t ACC_CONF = 0x40;
    static const uint8_t ACC_RANGE = 0x41;
    static const uint8_t GYR_CONF = 0x42;
    static const uint8_t GYR_RANGE = 0x43;
    static const uint8_t FIFO_DOWNS = 0x45;
    static const uint8_t FIFO_CONFIG_0 = 0x48;
    static const uint8_t FIFO_CONFIG_1 = 0x49;
    static const uint8_t PWR_CONF = 0x7C;
    static const uint8_t PWR_CTRL = 0x7D;
    static const uint8_t CMD = 0x7E;

    static const uint8_t IDENTITY = 0x24;
    static const uint8_t RUNNING = 0x01;
    static const uint8_t AWAKE = 0x02;      /* no advanced power saving; the buffer can be read */
    static const uint8_t ACC_FILTER = 0xA0; /* best performance, normal bandwidth */
    static const uint8_t GYR_FILTER = 0xE0; /* the same */
    static const uint8_t FILTERED = 0x88;   /* the buffer has what the data registers have */
    static const uint8_t ACCELERATION = 0x40;
    static const uint8_t BOTH = 0xC0; /* without headers: rotation, then acceleration */
    static const uint8_t ACCELERATION_ON = 0x04;
    static const uint8_t BOTH_ON = 0x06;
    static const uint8_t FLUSH = 0xB0;
    static const size_t DEPTH = 2048;

    /* Whether a frame stands for a sensor that had no sample yet. */
    bool is_dummy(const uint8_t *frame) const
    {
        const bool marked = frame[1] == 0x7F && frame[2] == 0x00 && frame[3] == 0x80;
        if (!_setup.rotation) {
            return marked && frame[0] == 0x01;
        }
        return (marked && frame[0] == 0x02) ||
               (frame[6] == 0x01 && frame[7] == 0x7F && frame[8] == 0x00 && frame[9] == 0x80);
    }

    /* The sensor is mounted so that its x is -y of the board, and its y is -x. */
    void turn(const uint8_t *frame, Counts &sample) const
    {
        const uint8_t *const acceleration = _setup.rotation ? &frame[6] : frame;
        turn_one(acceleration, &sample[0]);
        if (_setup.rotation) {
            turn_one(frame, &sample[3]);
        } else {
            sample[3] = sample[4] = sample[5] = 0;
        }
    }

    static void turn_one(const uint8_t *bytes, int16_t *sample)
    {
        sample[0] = negative(little_endian(&bytes[2]));
        sample[1] = negative(little_endian(&bytes[0]));
        sample[2] = little_endian(&bytes[4]);
    }

    static int16_t negative(int16_t value)
    {
        return static_cast<int16_t>(value == -32768 ? 32767 : -value);
    }

    const ImuSetup _setup;
    const Load _load;
};

} // namespace sensors

#endif /* SENSORS_BMI270_H */
