/* SPDX-License-Identifier: 0BSD */
/*
 * Runs the driver of slow sensors on a simulated LPS22HB (ST, DocID027083) and APDS9960 (Avago,
 * AV02-4191EN), for pressure, or for temperature and proximity.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include SENSOR_HEADER

#include "simulated.h"

/* Both chips; the values follow the time. */
class Chips : public simulated::Device {
  public:
    Chips() : Device(0x5C)
    {
        Chips::reset();
    }

    void reset() override
    {
        memset(_pressure, 0, sizeof _pressure);
        memset(_light, 0, sizeof _light);
        _pressure[0x0F] = identity;
        _pressure[0x11] = 0x10;
        _light[0x92] = 0xAB;
        _light[0x8E] = 0x40;
        _begun = _now;
    }

    uint8_t content(uint8_t at) const override
    {
        return at >= 0x80 ? _light[at] : _pressure[at];
    }

    void until(uint64_t now) override
    {
        _now = now;
    }

    void read(uint8_t first, uint8_t *values, size_t count) override
    {
        const uint32_t k = number(_now);
        const bool measures = !silent && _pressure[0x10] >> 4 == 3 && _now - _begun > delay;
        const bool shines = !silent && (_light[0x80] & 0x05) == 0x05 && _now - _begun > delay;
        const uint32_t pressure = measures ? pressure_of(k) : 0;
        const uint32_t temperature = measures ? static_cast<uint32_t>(temperature_of(k)) : 0;
        _pressure[0x27] = measures ? 0x03 : 0x11; /* pressure is ready, temperature is not */
        _pressure[0x28] = static_cast<uint8_t>(pressure & 0xFF);
        _pressure[0x29] = static_cast<uint8_t>((pressure >> 8) & 0xFF);
        _pressure[0x2A] = static_cast<uint8_t>((pressure >> 16) & 0xFF);
        _pressure[0x2B] = static_cast<uint8_t>(temperature & 0xFF);
        _pressure[0x2C] = static_cast<uint8_t>((temperature >> 8) & 0xFF);
        _light[0x93] = shines ? 0x02 : 0x11; /* the light sensor is ready */
        _light[0x9C] = shines ? static_cast<uint8_t>(k & 0xFF) : static_cast<uint8_t>(0);
        for (size_t i = 0; i < count; ++i) {
            values[i] = content(static_cast<uint8_t>(first + i));
        }
    }

    void write(uint8_t at, uint8_t value) override
    {
        const bool light = at >= 0x80;
        const int reserved = at == 0x10 ? 0x80 : at == 0x80 ? 0x80 : at == 0x8F ? 0x30 : 0;
        const bool writable = at == 0x10 || at == 0x80 || at == 0x8E || at == 0x8F;
        if (!writable || (value & reserved) != 0 || light != (selected == 0x39)) {
            simulated::forbidden("a write of reserved bits", at, value);
        }
        if ((at == 0x10 || at == 0x80) && content(at) != value) {
            _begun = _now;
        }
        (light ? _light : _pressure)[at] = value;
    }

    static uint32_t number(uint64_t now)
    {
        return static_cast<uint32_t>(now / 1000000u) & 0xFFFFu;
    }

    static uint32_t pressure_of(uint32_t k)
    {
        return 3800000u + 97u * (k % 8192u);
    }

    static int32_t temperature_of(uint32_t k)
    {
        return static_cast<int32_t>(k % 6000u) - 2000;
    }

    uint8_t identity = 0xB1;
    uint32_t delay = 40000; /* microseconds until the first value */
    uint8_t selected = 0;

  private:
    uint8_t _pressure[256];
    uint8_t _light[256];
    uint64_t _now = 0;
    uint64_t _begun = 0;
};

/* The bus with two addresses. */
class TwoChips : public sensors::Bus {
  public:
    TwoChips(simulated::Bus &own, Chips &chips) : _own(own), _chips(chips)
    {
    }

    bool read(uint8_t device, uint8_t first, uint8_t *values, size_t count) override
    {
        return _own.read(address(device, first), first, values, count);
    }

    bool write(uint8_t device, uint8_t at, uint8_t value) override
    {
        return _own.write(address(device, at), at, value);
    }

    uint32_t microseconds() override
    {
        return _own.microseconds();
    }

    void wait(uint32_t milliseconds) override
    {
        _own.wait(milliseconds);
    }

  private:
    uint8_t address(uint8_t device, uint8_t at)
    {
        _chips.selected = device;
        const bool right = device == (at >= 0x80 ? 0x39 : 0x5C);
        return right ? _chips.address : static_cast<uint8_t>(0);
    }

    simulated::Bus &_own;
    Chips &_chips;
};

static uint32_t pushed;
static uint32_t lost;
static uint64_t *now;
static bool printing;

static void push(const int16_t *samples, uint32_t count)
{
    if (printing) {
        printf("%u", static_cast<unsigned>(Chips::number(*now)));
        for (size_t i = 0; i < CHANNELS; ++i) {
            printf(" %d", samples[i]);
        }
        puts("");
    }
    pushed += count;
}

static void lose(uint32_t count)
{
    lost += count;
}

static void require(bool good, const char *what, uint32_t number)
{
    if (!good) {
        printf("wrong: %s (%u), pushed %u, lost %u\n", what, static_cast<unsigned>(number),
               static_cast<unsigned>(pushed), static_cast<unsigned>(lost));
        exit(4);
    }
}

struct Board {
    Board() : bus(&chips), two(bus, chips), sensor(two, push, lose)
    {
        pushed = lost = 0;
        now = &bus.now;
    }

    void run(uint64_t milliseconds)
    {
        for (const uint64_t end = bus.now + 1000 * milliseconds; bus.now < end;) {
            bus.pass(13000);
            sensor.poll();
        }
    }

    Chips chips;
    simulated::Bus bus;
    TwoChips two;
    SENSOR sensor;
};

int main()
{
    { /* two samples each second */
        Board board;
        board.chips.delay = 700000;
        printing = true;
        require(board.sensor.begin(), "not found", 0);
        board.run(60000);
        printing = false;
        require(pushed >= 118 && pushed <= 119 && lost == 0, "the rate", 0);
        if (strcmp(FIRST, "proximity") == 0) {
            require(board.chips.content(0x80) == 0x05, "register", 0x80);
            require(board.chips.content(0x8E) == 0x87, "register", 0x8E);
            require(board.chips.content(0x8F) == 0x08, "register", 0x8F);
        } else {
            require(board.chips.content(0x10) == 0x32, "register", 0x10);
        }
        require(board.sensor.measured_millihertz() == 2000, "the rate", 1);
    }
    for (uint32_t length = 1; length < 60; length += 7) { /* every transfer fails once */
        for (uint32_t n = 0; n < 60; ++n) {
            Board board;
            board.bus.fail(n, length, static_cast<int>(n % 3));
            (void)board.sensor.begin();
            board.run(40000);
            const uint32_t all = pushed + lost;
            require(all <= 80 && (all >= 79 || n < 20), "a loss not counted", n);
            require(pushed + length + 6 >= 80, "not started again", n);
        }
    }
    { /* another chip, and none */
        Board board;
        board.chips.identity = 0xB2;
        board.chips.reset();
        const bool needed = strcmp(FIRST, "proximity") != 0;
        require(board.sensor.begin() != needed, "the wrong chip", 2);
        board.chips.present = false;
        board.run(5000);
        require(pushed == 0 && lost == 0, "nothing measured", 2);
    }
    { /* its power fails, and it measures nothing for a while */
        Board board;
        require(board.sensor.begin(), "not found", 3);
        board.run(5000);
        board.chips.reset();
        board.run(10000);
        require(pushed + lost >= 29 && pushed + lost <= 30 && lost >= 3 && lost <= 5, "reset", 3);
        board.bus.pass(3600ull * 1000000u); /* the main loop was late, for an hour */
        board.run(1000);
        require(pushed + lost >= 7229 && pushed + lost <= 7233, "late", 3);
    }
    return 0;
}
