/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the driver of a project on simulated sensors: SENSOR is its class, SENSOR_CHIP the chip that
 * the board has. What is printed is compared with NumPy; what must always hold is checked here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include SENSOR_HEADER

#include "bmi270_chip.h"
#include "lsm9ds1_chip.h"

using simulated::Bmi270Chip;
using simulated::Lsm9ds1Chip;

static uint32_t pushed;
static uint32_t lost;
static bool printing;
static int16_t first[6];
static int16_t last[6];

static Bmi270Chip *loaded;

static bool load()
{
    loaded->load();
    return true;
}

static void push(const int16_t *samples, uint32_t count)
{
    if (printing) {
        for (size_t i = 0; i < CHANNELS * count; ++i) {
            printf("%d%c", samples[i], (i + 1) % CHANNELS == 0 ? '\n' : ' ');
        }
    }
    if (pushed == 0) {
        memcpy(first, samples, CHANNELS * sizeof(int16_t));
    }
    memcpy(last, samples, CHANNELS * sizeof(int16_t));
    pushed += count;
}

static void lose(uint32_t count)
{
    if (printing) {
        printf("lost %u\n", static_cast<unsigned>(count));
    }
    lost += count;
}

/* A board whose sensor is chip 0 or 1: LSM9DS1 (2: with two buffers), BMI270. */
struct Board {
    explicit Board(int chip)
        : lsm9ds1(chip != 2), device(chip == 1 ? static_cast<simulated::Device *>(&own) : &lsm9ds1),
          bus(device), sensor(bus, load, push, lose)
    {
        loaded = &own;
        pushed = lost = 0;
    }

    void run(uint64_t milliseconds, uint64_t each = 7)
    {
        for (const uint64_t end = bus.now + 1000 * milliseconds; bus.now < end;) {
            bus.pass(1000 * each);
            sensor.poll();
        }
    }

    Lsm9ds1Chip lsm9ds1;
    Bmi270Chip own;
    simulated::Device *device;
    simulated::Bus bus;
    SENSOR sensor;
};

static void require(bool good, const char *what, unsigned long number)
{
    if (!good) {
        printf("wrong: %s (%lu), pushed %u, lost %u\n", what, number, static_cast<unsigned>(pushed),
               static_cast<unsigned>(lost));
        exit(4);
    }
}

static int record(int chip, uint64_t milliseconds, double rate)
{
    Board board(chip);
    board.device->rate = rate;
    printing = true;
    require(board.sensor.begin(), "not found", 0);
    board.run(milliseconds);
    static const uint8_t lsm9ds1[] = { 0x10, 0x11, 0x12, 0x1E, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x2E };
    static const uint8_t bmi270[] = { 0x40, 0x41, 0x42, 0x43, 0x45, 0x48, 0x49, 0x7C, 0x7D };
    for (size_t i = 0; i < (chip == 1 ? sizeof bmi270 : sizeof lsm9ds1); ++i) {
        const uint8_t at = chip == 1 ? bmi270[i] : lsm9ds1[i];
        printf("%02X=%02X ", at, static_cast<unsigned>(board.device->content(at)));
    }
    const unsigned g = chip == 1 ? board.own.range_g() : board.lsm9ds1.range_g();
    const unsigned dps = chip == 1 ? board.own.range_dps() : board.lsm9ds1.range_dps();
    printf("%s %lu %lu %u %u %u\n", board.sensor.name(),
           static_cast<unsigned long>(board.sensor.nominal_millihertz()),
           static_cast<unsigned long>(board.sensor.measured_millihertz()), g, dps,
           static_cast<unsigned>(board.sensor.restarts()));
    return 0;
}

#ifndef ON_CORE

/* The number of a sample that is passed on as it is, from its first value. */
static uint32_t number_of(const int16_t *sample)
{
    const uint32_t k = static_cast<uint32_t>(sample[0] + 32768 - 1000); /* below 64536 */
    for (size_t axis = 0; axis < CHANNELS; ++axis) {
        require(sample[axis] == simulated::value_of(k, axis), "a sample that was not measured", k);
    }
    return k;
}

/* Samples from the first to the last one are there, or were counted as lost. */
static void require_complete(uint32_t tolerance, unsigned long number)
{
    require(pushed > 0, "nothing was measured", number);
    const uint32_t all = number_of(last) - number_of(first) + 1;
    const uint32_t found = pushed + lost;
    require(found + tolerance >= all && found <= all + tolerance, "a loss not counted", number);
    require(pushed <= all, "a sample twice", number);
}

/* A bus that fails at transfer n, for every n, once or for a while, early or late in a transfer. */
static int faults(int chip)
{
    static const uint32_t lengths[] = { 1, 2, 7, 40, 3000 };
    unsigned long tried = 0;
    for (uint32_t length : lengths) {
        for (int halves = 0; halves < 3; ++halves) {
            for (uint32_t n = 0; n < 160; ++n) {
                Board board(chip);
                board.bus.fail(n, length, halves);
                (void)board.sensor.begin();
                board.run(1200);
                board.bus.fail(0, 0, 0);
                board.run(500);
                require(board.sensor.name() != NULL, "not found again", n);
                require_complete(2 + board.sensor.restarts(), n);
                require(board.bus.transfers < 12000, "too many transfers", n);
                ++tried;
            }
        }
    }
    printf("%lu\n", tried);
    return 0;
}

static int troubles(int chip)
{
    { /* the main loop is late, again and again */
        Board board(chip);
        require(board.sensor.begin(), "not found", 1);
        board.run(300);
        for (int i = 0; i < 5; ++i) {
            const uint32_t before = lost;
            board.bus.pass(3600000);
            board.run(400, 1);
            require(lost > before, "an overrun not counted", 1);
        }
        require_complete(7, 1);
        require(board.sensor.restarts() == 0, "a restart without need", 1);
    }
    { /* absent, and there later */
        Board board(chip);
        board.device->present = false;
        require(!board.sensor.begin(), "found", 2);
        board.run(5000);
        require(board.sensor.name() == NULL && pushed == 0 && lost == 0, "found", 2);
        require(board.bus.transfers < 60 * 3, "too many attempts", 2);
        board.device->present = true;
        board.run(600);
        require_complete(1, 2);
    }
    { /* another chip at the address */
        Board board(chip);
        board.lsm9ds1.identity = 0x69;
        board.own.identity = 0xFF;
        board.device->reset();
        require(!board.sensor.begin(), "the wrong chip", 3);
        board.run(1000);
        require(pushed == 0, "the wrong chip", 3);
    }
    { /* it holds the bus: every transfer takes 25 ms */
        Board board(chip);
        require(board.sensor.begin(), "not found", 4);
        board.run(300);
        board.bus.stuck = 25000;
        board.bus.fail(0, 0xFFFFFFFFu, 0);
        board.run(1000);
        require(board.sensor.name() == NULL, "still there", 4);
        board.bus.fail(0, 0, 0);
        board.run(500);
        require_complete(3, 4);
        require(lost > 50, "a loss not counted", 4);
    }
    { /* its power fails for a moment */
        Board board(chip);
        require(board.sensor.begin(), "not found", 5);
        board.run(300);
        board.device->reset();
        board.run(1500);
        require(board.sensor.restarts() == 1, "no restart", 5);
        require_complete(2, 5);
    }
    { /* it answers, but measures nothing for a while */
        Board board(chip);
        require(board.sensor.begin(), "not found", 6);
        board.run(300);
        board.device->silent = true;
        board.run(2000);
        board.device->silent = false;
        board.run(1000);
        require(board.sensor.restarts() >= 2, "no restart", 6);
        require_complete(3, 6);
    }
    { /* nothing drives the bus, which then reads as 1 */
        Board board(chip);
        require(board.sensor.begin(), "not found", 7);
        board.run(300);
        board.bus.floating = true;
        board.run(1000);
        require(board.sensor.name() == NULL, "still there", 7);
        board.bus.floating = false;
        board.run(500);
        require_complete(3, 7);
    }
    { /* the main loop is late, but not too late */
        Board board(chip);
        require(board.sensor.begin(), "not found", 8);
        board.run(4000, 200);
        require_complete(0, 8);
        require(lost == 0, "a loss that was none", 8);
    }
    { /* the BMI270 starts slowly; no value looks as if it were missing */
        Board board(chip);
        board.own.rotation_delay = 80000;
        board.own.acceleration_delay = 110000;
        require(board.sensor.begin(), "not found", 9);
        board.run(300000, 100);
        require_complete(0, 9);
        require(lost == 0, "a loss that was none", 9);
    }
    { /* more samples are waiting than are taken at once */
        Board board(chip);
        require(board.sensor.begin(), "not found", 10);
        for (int i = 0; i < 100; ++i) {
            board.bus.pass(260000);
            board.sensor.poll();
            board.sensor.poll();
        }
        require_complete(0, 10);
        require(lost == 0, "a loss that was none", 10);
        const uint32_t right = board.sensor.nominal_millihertz();
        const uint32_t found = board.sensor.measured_millihertz();
        require(found > right - right / 300 && found < right + right / 300, "a wrong rate", found);
    }
    { /* the bus is not asked more often than there are samples */
        Board board(chip);
        require(board.sensor.begin(), "not found", 11);
        const uint32_t before = board.bus.transfers;
        board.run(10000, 1);
        const uint32_t transfers = board.bus.transfers - before;
        require(pushed > 950 && transfers <= pushed * (chip == 1 ? 2 : 3) + 9, "too many", 11);
    }
    printf("11\n");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    const int chip = atoi(argv[2]);
    if (strcmp(argv[1], "record") == 0 && argc == 5) {
        return record(chip, strtoul(argv[3], NULL, 10), atof(argv[4]));
    }
    return strcmp(argv[1], "faults") == 0 ? faults(chip) : troubles(chip);
}

#else

extern "C" int simulate()
{
    return record(0, 1500, 1.0);
}

#endif
