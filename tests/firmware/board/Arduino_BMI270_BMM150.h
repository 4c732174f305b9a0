/* SPDX-License-Identifier: 0BSD */
/* The library of the BMI270, of which the driver uses one function. */
#ifndef ARDUINO_BMI270_BMM150_H
#define ARDUINO_BMI270_BMM150_H

enum CfgBoshSensor_t { BOSCH_ACCELEROMETER_ONLY };

struct BoschSensorClass {
    int begin(CfgBoshSensor_t)
    {
        return 0;
    }
};

extern BoschSensorClass IMU_BMI270_BMM150;

#endif /* ARDUINO_BMI270_BMM150_H */
