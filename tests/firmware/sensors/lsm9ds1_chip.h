/* SPDX-License-Identifier: 0BSD */
/* The accelerometer and gyroscope of an LSM9DS1 (ST, DocID025715). */
#ifndef LSM9DS1_CHIP_H
#define LSM9DS1_CHIP_H

#include "simulated.h"

namespace simulated {

class Lsm9ds1Chip : public Device {
  public:
    /* `shared`: whether both sensors leave the buffer together, or each when it is read. */
    explicit Lsm9ds1Chip(bool shared) : Device(0x6B), _shared(shared)
    {
        Lsm9ds1Chip::reset();
    }

    void reset() override
    {
        memset(_registers, 0, sizeof _registers);
        _registers[0x0F] = identity;
        _registers[0x1E] = 0x38;
        _registers[0x1F] = 0x38;
        _registers[0x22] = 0x04;
        empty();
    }

    uint8_t content(uint8_t at) const override
    {
        return _registers[at];
    }

    void until(uint64_t now) override
    {
        _now = now;
        const uint32_t end = _numbers.until(now, rate * nominal());
        for (; _numbers.made != end; ++_numbers.made) {
            store(_numbers.made);
        }
    }

    void read(uint8_t first, uint8_t *values, size_t count) override
    {
        for (size_t i = 0; i < count; ++i) {
            const bool next = (_registers[0x22] & 0x04) != 0;
            values[i] = one(static_cast<uint8_t>(first + (next ? i : 0)));
        }
    }

    void write(uint8_t at, uint8_t value) override
    {
        const int reserved = reserved_bits(at);
        if (reserved < 0 || (value & reserved) != 0) {
            forbidden("a write of reserved bits", at, value);
        }
        if ((at == 0x10 || at == 0x20) && value >> 5 == 7) {
            forbidden("a rate that does not exist", at, value);
        }
        if (at == 0x10 && (value & 0x18) == 0x10) {
            forbidden("a range that does not exist", at, value);
        }
        _registers[at] = value;
        if (at == 0x22 && (value & 1) != 0) {
            reset();
            ready = _now + 5000;
        }
        if (at == 0x2E && value >> 5 == 0) {
            empty();
        }
    }

    /* What the registers say: hertz, and ranges in g and in degrees per second. */
    double nominal() const
    {
        static const double rotation[7] = { 0, 14.9, 59.5, 119, 238, 476, 952 };
        static const double acceleration[7] = { 0, 10, 50, 119, 238, 476, 952 };
        const unsigned own = _registers[0x10] >> 5;
        const unsigned other = _registers[0x20] >> 5;
        return own != 0 ? rotation[own] : acceleration[other];
    }

    unsigned range_g() const
    {
        static const unsigned ranges[4] = { 2, 16, 4, 8 };
        return ranges[(_registers[0x20] >> 3) & 3];
    }

    unsigned range_dps() const
    {
        static const unsigned ranges[4] = { 245, 500, 0, 2000 };
        return ranges[(_registers[0x10] >> 3) & 3];
    }

    uint8_t identity = 0x68;

  private:
    /* -1: the register cannot be written. */
    static int reserved_bits(uint8_t at)
    {
        switch (at) {
        case 0x10:
            return 0x04;
        case 0x11:
            return 0xF0;
        case 0x12:
            return 0x30;
        case 0x1E:
            return 0xC4;
        case 0x1F:
            return 0x07;
        case 0x21:
            return 0x1A;
        case 0x23:
            return 0xA0;
        case 0x20:
        case 0x22:
        case 0x2E:
            return 0;
        default:
            return -1;
        }
    }

    void empty()
    {
        _rotation.clear();
        _acceleration.clear();
        _overrun = false;
    }

    void store(uint32_t k)
    {
        if (silent || nominal() <= 0 || (_registers[0x23] & 0x02) == 0 ||
            _registers[0x2E] >> 5 != 6) {
            return;
        }
        if (_acceleration.size == 32) {
            _acceleration.pop();
            _overrun = true;
        }
        if (_rotation.size == 32) {
            _rotation.pop();
        }
        _acceleration.put(k);
        if (_registers[0x10] >> 5 != 0) {
            _rotation.put(k);
        }
    }

    uint8_t one(uint8_t at)
    {
        uint8_t bytes[2];
        if (at == 0x2F) {
            return static_cast<uint8_t>(_acceleration.size | (_overrun ? 0x40u : 0u));
        }
        if (at >= 0x18 && at <= 0x1D) {
            const size_t axis = (at - 0x18u) / 2;
            put_little_endian(bytes,
                              _rotation.size > 0 ? value_of(_rotation.front(), 3 + axis) : 0);
            if (at == 0x1D && !_shared && _rotation.size > 0) {
                _rotation.pop();
            }
            return bytes[at % 2];
        }
        if (at >= 0x28 && at <= 0x2D) {
            const size_t axis = (at - 0x28u) / 2;
            put_little_endian(bytes,
                              _acceleration.size > 0 ? value_of(_acceleration.front(), axis) : 0);
            if (at == 0x2D && _acceleration.size > 0) {
                _acceleration.pop();
                _overrun = false;
                if (_shared && _rotation.size > 0) {
                    _rotation.pop();
                }
            }
            return bytes[at % 2];
        }
        return _registers[at & 0x7F];
    }

    const bool _shared;
    uint8_t _registers[128];
    Queue _rotation;
    Queue _acceleration;
    bool _overrun = false;
    Numbers _numbers;
    uint64_t _now = 0;
};

} // namespace simulated

#endif /* LSM9DS1_CHIP_H */
