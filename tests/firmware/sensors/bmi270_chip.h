/* SPDX-License-Identifier: 0BSD */
/* The accelerometer and gyroscope of a BMI270 (Bosch, BST-BMI270-DS000), as Rev2 has it mounted. */
#ifndef BMI270_CHIP_H
#define BMI270_CHIP_H

#include "simulated.h"

namespace simulated {

class Bmi270Chip : public Device {
  public:
    Bmi270Chip() : Device(0x68)
    {
        Bmi270Chip::reset();
    }

    void reset() override
    {
        memset(_registers, 0, sizeof _registers);
        _registers[0x00] = identity;
        _registers[0x40] = 0xA8;
        _registers[0x41] = 0x02;
        _registers[0x42] = 0xA9;
        _registers[0x45] = 0x88;
        _registers[0x48] = 0x02;
        _registers[0x49] = 0x10;
        _registers[0x7C] = 0x03;
        _frames.clear();
    }

    /* Writes the manufacturer's program. */
    void load()
    {
        reset();
        _registers[0x21] = 0x01;
    }

    uint8_t content(uint8_t at) const override
    {
        return _registers[at];
    }

    void until(uint64_t now) override
    {
        _now = now;
        const bool on = (_registers[0x7D] & 0x04) != 0;
        const uint32_t end = _numbers.until(now, on ? rate * nominal() : 0);
        for (; _numbers.made != end; ++_numbers.made) {
            if (on && !silent) {
                store(_numbers.made);
            }
        }
    }

    void read(uint8_t first, uint8_t *values, size_t count) override
    {
        if (first == 0x26) {
            read_frames(values, count);
            return;
        }
        for (size_t i = 0; i < count; ++i) {
            values[i] = one(static_cast<uint8_t>(first + i));
        }
    }

    void write(uint8_t at, uint8_t value) override
    {
        const int reserved = reserved_bits(at);
        if (reserved < 0 || (value & reserved) != 0) {
            forbidden("a write of reserved bits", at, value);
        }
        if (_now < _awake) {
            forbidden("a write too early after advanced power saving", at, value);
        }
        if (_registers[0x21] != 0x01) {
            forbidden("a write before the program", at, value);
        }
        if ((at == 0x40 && ((value & 15) < 1 || (value & 15) > 12)) ||
            (at == 0x42 && ((value & 15) < 6 || (value & 15) > 13)) ||
            (at == 0x43 && (value & 7) > 4)) {
            forbidden("a code that does not exist", at, value);
        }
        if (at == 0x7D && (value & 2) != 0 && (_registers[at] & 2) == 0) {
            _rotation_on = _now + rotation_delay;
        }
        if (at == 0x7D && (value & 4) != 0 && (_registers[at] & 4) == 0) {
            _acceleration_on = _now + acceleration_delay;
        }
        if (at == 0x7C && (_registers[at] & 1) != 0) {
            _awake = _now + 450;
        }
        if (at == 0x7E) {
            if (value != 0xB0) {
                forbidden("a command", at, value);
            }
            _frames.clear();
            return;
        }
        _registers[at] = value;
    }

    /* What the registers say: hertz, and ranges in g and in degrees per second. */
    double nominal() const
    {
        return 25.0 / 64 * static_cast<double>(1u << (_registers[0x40] & 15));
    }

    unsigned range_g() const
    {
        return 2u << _registers[0x41];
    }

    unsigned range_dps() const
    {
        return 2000u >> (_registers[0x43] & 7);
    }

    uint8_t identity = 0x24;
    uint32_t rotation_delay = 45000; /* microseconds until the first sample */
    uint32_t acceleration_delay = 2000;

  private:
    static const uint32_t ROTATION_MISSING = 0x80000000u;
    static const uint32_t ACCELERATION_MISSING = 0x40000000u;

    /* -1: the register cannot be written. */
    static int reserved_bits(uint8_t at)
    {
        switch (at) {
        case 0x41:
        case 0x48:
            return 0xFC;
        case 0x43:
        case 0x7D:
            return 0xF0;
        case 0x7C:
            return 0xF8;
        case 0x40:
        case 0x42:
        case 0x45:
        case 0x49:
        case 0x7E:
            return 0;
        default:
            return -1;
        }
    }

    size_t frame_size() const
    {
        return (_registers[0x49] >> 6) == 3 ? 12 : 6;
    }

    void store(uint32_t k)
    {
        const unsigned into = _registers[0x49] >> 4;
        if ((into & 0x0C) == 0) {
            return;
        }
        if ((into & 3) != 0 || (into & 4) == 0 || _registers[0x45] != 0x88) {
            forbidden("frames that the driver does not expect", 0x49, _registers[0x49]);
        }
        if ((into & 8) != 0 && (_registers[0x42] & 15) != (_registers[0x40] & 15)) {
            forbidden("two rates without headers", 0x42, _registers[0x42]);
        }
        while ((_frames.size + 1) * frame_size() > 2048) {
            if ((_registers[0x48] & 1) != 0) {
                return;
            }
            _frames.pop();
        }
        const uint32_t rotation = (into & 8) != 0 && _now < _rotation_on ? ROTATION_MISSING : 0;
        _frames.put(k | rotation | (_now < _acceleration_on ? ACCELERATION_MISSING : 0));
    }

    void read_frames(uint8_t *values, size_t count)
    {
        const size_t size = frame_size();
        if ((_registers[0x7C] & 3) == 1 || count > _frames.size * size) {
            forbidden("a read of more than there is", 0x26, static_cast<unsigned>(count));
        }
        for (size_t i = 0; i < count; ++i) {
            if (i % size == 0) {
                make_frame();
            }
            values[i] = _frame[i % size];
            if (i % size == size - 1) {
                _frames.pop(); /* a frame that is not read completely stays */
            }
        }
    }

    void make_frame()
    {
        const uint32_t k = _frames.front();
        uint8_t *at = _frame;
        if (frame_size() == 12) {
            make_one(at, k, 3, (k & ROTATION_MISSING) != 0);
            at += 6;
        }
        make_one(at, k, 0, (k & ACCELERATION_MISSING) != 0);
    }

    /* In the axes of the chip. */
    static void make_one(uint8_t *bytes, uint32_t k, size_t axis, bool missing)
    {
        static const uint8_t dummy[5] = { 0x7F, 0x00, 0x80, 0x00, 0x80 };
        put_little_endian(&bytes[0], static_cast<int16_t>(-value_of(k, axis + 1)));
        put_little_endian(&bytes[2], static_cast<int16_t>(-value_of(k, axis)));
        put_little_endian(&bytes[4], value_of(k, axis + 2));
        if (missing) {
            bytes[0] = axis == 0 ? 1 : 2;
            memcpy(&bytes[1], dummy, sizeof dummy);
        }
    }

    uint8_t one(uint8_t at) const
    {
        const size_t length = _frames.size * frame_size();
        if (at == 0x24) {
            return static_cast<uint8_t>(length & 0xFF);
        }
        if (at == 0x25) {
            return static_cast<uint8_t>(length >> 8);
        }
        return _registers[at & 0x7F];
    }

    uint8_t _registers[128];
    uint8_t _frame[12];
    Queue _frames;
    uint64_t _now = 0;
    uint64_t _awake = 0;
    uint64_t _rotation_on = 0;
    uint64_t _acceleration_on = 0;
    Numbers _numbers;
};

} // namespace simulated

#endif /* BMI270_CHIP_H */
