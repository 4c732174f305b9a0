/* SPDX-License-Identifier: 0BSD */
/* The program of the BMI270, which is in the library Arduino_BMI270_BMM150. */
#ifndef SENSORS_NANO33BLE_BMI270_H
#define SENSORS_NANO33BLE_BMI270_H

#include <Arduino_BMI270_BMM150.h>

#include "nano33ble.h"

namespace sensors {

/* Writes the program of the BMI270. The library does it at 100 kHz, in about a second. */
inline bool load_bmi270()
{
    const bool loaded = IMU_BMI270_BMM150.begin(BOSCH_ACCELEROMETER_ONLY) != 0;
    nano33ble_bus().begin();
    return loaded;
}

} // namespace sensors

#endif /* SENSORS_NANO33BLE_BMI270_H */
