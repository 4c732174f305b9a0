/* SPDX-License-Identifier: 0BSD */
/*
 * The microphone of the simulated board, which behaves as on the nRF52840: two buffers, and it stops
 * if one is full before the other was read. Without simulated_sound, there is none.
 */
#ifndef PDM_H
#define PDM_H

#include <Arduino.h>
#include <string.h>

/* Sample number `k`; NULL: no microphone. */
extern int16_t (*simulated_sound)(uint32_t k);

class PDMClass {
  public:
    int begin(int channels, int rate)
    {
        running = simulated_sound != NULL && channels == 1 && (rate == 16000 || rate == 41667);
        unread = false;
        ++starts;
        return running ? 1 : 0;
    }

    void end()
    {
        running = false;
    }

    void onReceive(void (*function)())
    {
        _receive = function;
    }

    void setBufferSize(int bytes)
    {
        _count = static_cast<uint32_t>(bytes) / 2u;
    }

    int read(void *buffer, size_t size)
    {
        const size_t bytes = unread ? 2u * _count : 0u;
        const size_t given = bytes < size ? bytes : size;
        memcpy(buffer, _samples, given);
        unread = given < bytes;
        return static_cast<int>(given);
    }

    /* A buffer is full: samples go on, also if they are not taken. */
    void interrupt(bool lost_interrupt)
    {
        for (uint32_t i = 0; i < _count; ++i, ++made) {
            _samples[i] = running ? simulated_sound(made) : static_cast<int16_t>(0);
        }
        if (!running) {
            return;
        }
        if (unread) {
            running = false;
            return;
        }
        unread = true;
        if (!lost_interrupt) {
            _receive();
        }
    }

    uint32_t block() const
    {
        return _count;
    }

    bool running = false;
    bool unread = false;
    uint32_t made = 0;
    unsigned starts = 0;

  private:
    void (*_receive)() = NULL;
    uint32_t _count = 256;
    int16_t _samples[1024] = {};
};

extern PDMClass PDM;

#endif /* PDM_H */
