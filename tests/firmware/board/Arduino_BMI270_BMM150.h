/* SPDX-License-Identifier: 0BSD */
/* The library of the BMI270, of which the driver uses one function. */
#ifndef ARDUINO_BMI270_BMM150_H
#define ARDUINO_BMI270_BMM150_H

#include <Wire.h>

enum CfgBoshSensor_t { BOSCH_ACCELEROMETER_ONLY };

struct BoschSensorClass {
    /* Sets the bus back to 100 kHz, as the real one does. */
    int begin(CfgBoshSensor_t)
    {
        Wire1.begin();
        if (load != NULL) {
            load();
        }
        return load != NULL ? 1 : 0;
    }

    void (*load)() = NULL;
};

extern BoschSensorClass IMU_BMI270_BMM150;

#endif /* ARDUINO_BMI270_BMM150_H */
