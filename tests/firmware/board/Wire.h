/* SPDX-License-Identifier: 0BSD */
/* A bus of the simulated board, where no device answers. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

class TwoWire {
  public:
    void begin()
    {
    }

    void setClock(uint32_t)
    {
    }

    void beginTransmission(uint8_t)
    {
    }

    uint8_t endTransmission(bool = true)
    {
        return 2;
    }

    size_t requestFrom(uint8_t, size_t)
    {
        return 0;
    }

    size_t write(uint8_t)
    {
        return 1;
    }

    int read()
    {
        return -1;
    }

    int available()
    {
        return 0;
    }
};

extern TwoWire Wire1;

#endif /* WIRE_H */
