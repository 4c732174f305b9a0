/* SPDX-License-Identifier: 0BSD */
/* What the inertial sensors of different boards have in common. */
#ifndef SENSORS_IMU_H
#define SENSORS_IMU_H

#include "bus.h"

namespace sensors {

/* How a sensor measures. The codes are those of its registers. */
struct ImuSetup {
    bool rotation;              /* whether the gyroscope is on, too */
    uint8_t rate;               /* code of the output data rate */
    uint8_t acceleration_range; /* code of the full scale */
    uint8_t rotation_range;
    uint32_t millihertz; /* the nominal rate, for `rate` */
};

/* Counts of a sensor, in the axes of the board: acceleration in x, y, z, then rotation. */
typedef int16_t Counts[6];

/* What was taken from the buffer of a sensor. */
struct Taken {
    size_t count;   /* samples */
    size_t left;    /* samples that are still in the buffer */
    size_t dropped; /* samples that the sensor marked as invalid */
    bool overrun;   /* samples were overwritten before they were taken */
    bool failed;    /* the bus failed, or what it gave cannot be; the sensor must be restarted */
};

/* An inertial sensor that buffers its samples. */
class Imu {
  public:
    /* The name of the chip. */
    virtual const char *name() const = 0;

    virtual const ImuSetup &setup() const = 0;

    /* Looks for the sensor, configures it, and starts it with an empty buffer. */
    virtual bool start(Bus &bus) = 0;

    /* Takes at most `most` samples, the oldest first. */
    virtual Taken take(Bus &bus, Counts *samples, size_t most) = 0;

  protected:
    ~Imu()
    {
    }
};

} // namespace sensors

#endif /* SENSORS_IMU_H */
