/* SPDX-License-Identifier: 0BSD */
/* Runs the driver as on the board, through Wire1 and the library of the BMI270. */
#include <stdio.h>
#include <stdlib.h>

#define ARDUINO 10810
#include SENSOR_HEADER

#include "bmi270_chip.h"
#include "lsm9ds1_chip.h"

static uint64_t now = 1000000;

unsigned long micros()
{
    return static_cast<uint32_t>(now);
}

void delay(unsigned long milliseconds)
{
    now += 1000u * milliseconds;
}

TwoWire Wire1;
BoschSensorClass IMU_BMI270_BMM150;

/* A chip on the bus, of which some transfers are cut short. */
struct Attached : WireDevice {
    explicit Attached(simulated::Device &own) : chip(own)
    {
    }

    bool answers(uint8_t address) override
    {
        now += 300;
        chip.until(now);
        return address == chip.address && now >= chip.ready;
    }

    void write(uint8_t at, uint8_t value) override
    {
        chip.write(at, value);
    }

    void read(uint8_t first, uint8_t *values, size_t count) override
    {
        chip.read(first, values, count);
    }

    size_t arriving(size_t count) override
    {
        return cut && ++transfers % 97 == 0 ? count / 2 : count;
    }

    simulated::Device &chip;
    bool cut = false;
    uint32_t transfers = 0;
};

static simulated::Bmi270Chip bmi270;
static simulated::Lsm9ds1Chip lsm9ds1(true);
static uint32_t pushed;
static uint32_t lost;
static uint32_t last;

static void require(bool good, const char *what)
{
    if (!good) {
        printf("wrong: %s, pushed %u, lost %u\n", what, static_cast<unsigned>(pushed),
               static_cast<unsigned>(lost));
        exit(4);
    }
}

static void push(const int16_t *samples, uint32_t count)
{
    const uint32_t k = static_cast<uint32_t>(samples[0] + 32768 - 1000);
    for (size_t axis = 0; axis < CHANNELS; ++axis) {
        require(samples[axis] == simulated::value_of(k, axis), "a sample that was not measured");
    }
    require(pushed == 0 || k > last, "a sample twice");
    last = k;
    pushed += count;
}

static void lose(uint32_t count)
{
    lost += count;
}

static void load()
{
    bmi270.load();
}

int main(int, char **argv)
{
    const bool second = atoi(argv[1]) == 1;
    Attached attached(second ? static_cast<simulated::Device &>(bmi270) : lsm9ds1);
    SENSOR sensor(sensors::nano33ble_bus(), sensors::load_bmi270, push, lose);
    IMU_BMI270_BMM150.load = load;
    require(!sensor.begin(), "found");
    Wire1.device = &attached;
    for (int i = 0; i < 4000; ++i) {
        now += 3000;
        attached.cut = i >= 2000;
        require(i != 2000 || (pushed > 400 && lost == 0), "it does not measure");
        sensor.poll();
    }
    require(pushed > 700 && lost > 10 && sensor.restarts() > 5, "no transfer failed");
    require(Wire1.clock == 400000, "the bus is slow");
    puts(sensor.name());
    return 0;
}
