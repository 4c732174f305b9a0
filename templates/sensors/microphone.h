/* SPDX-License-Identifier: 0BSD */
/*
 * The microphone of the Arduino Nano 33 BLE Sense, by the board's library PDM.
 *
 * The library switches the microphone off, without notice, if an interrupt comes before the
 * samples of the last one were read. So they are read in the interrupt, and poll() starts the
 * microphone again when it has been silent for too long.
 */
#ifndef SENSORS_MICROPHONE_H
#define SENSORS_MICROPHONE_H

#include <Arduino.h>
#include <PDM.h>
#include <stdint.h>

namespace sensors {

/* There can be one. */
class Microphone {
  public:
    /* Take samples, in the interrupt, and how many were lost, in poll(). */
    typedef void (*Push)(const int16_t *samples, uint32_t count);
    typedef void (*Lose)(uint32_t count);

    /* `rate` is 16000 or 41667; the library knows no others. `block` samples come at once. */
    Microphone(uint32_t rate, uint32_t block, Push push, Lose lose)
        : _rate(rate), _block(block < MOST ? block : MOST), _push(push), _lose(lose)
    {
    }

    /* Starts the microphone, and returns whether that succeeded. Otherwise, poll() tries again. */
    bool begin()
    {
        active() = this;
        PDM.onReceive(receive);
        PDM.setBufferSize(static_cast<int>(_block * sizeof(int16_t)));
        _heard = now();
        _known = 0;
        _running = PDM.begin(1, static_cast<int>(_rate)) != 0;
        return _running;
    }

    /* Starts the microphone again if nothing has come for a quarter of a second. */
    void poll()
    {
        uint32_t heard = 0;
        uint32_t blocks = 0;
        do {
            blocks = _blocks;
            heard = _heard;
        } while (blocks != _blocks); /* an interrupt came between */
        const uint32_t silent = now() - heard;
        measure(blocks, heard);
        if (silent < SILENCE) {
            return;
        }
        if (_running) {
            PDM.end();
            ++_restarts;
        }
        if (blocks > 0) {
            _lose(static_cast<uint32_t>(static_cast<uint64_t>(silent) * _rate / 1000000u));
        }
        (void)begin();
    }

    /* Its rate by the clock of the board, in thousandths of a hertz; 0 until that is known. */
    uint32_t measured_millihertz() const
    {
        return _measured < 1000000u
                   ? 0u
                   : static_cast<uint32_t>(_counted * _block * 1000000u / (_measured / 1000u));
    }

    /* How often the microphone had to be started again. */
    uint32_t restarts() const
    {
        return _restarts;
    }

  private:
    static const uint32_t MOST = 256;
    static const uint32_t SILENCE = 250000; /* microseconds */

    /* Adds the blocks since the last call, and their time. */
    void measure(uint32_t blocks, uint32_t heard)
    {
        if (_known != 0) {
            _counted += blocks - _known;
            _measured += heard - _known_at;
        }
        _known = blocks;
        _known_at = heard;
    }

    static uint32_t now()
    {
        return static_cast<uint32_t>(micros());
    }

    static Microphone *&active()
    {
        static Microphone *one;
        return one;
    }

    /* In the interrupt. */
    static void receive()
    {
        active()->take();
    }

    void take()
    {
        const int bytes = PDM.read(_samples, _block * sizeof(int16_t));
        if (bytes > 0) {
            _heard = now();
            _blocks = _blocks + 1;
            _push(_samples, static_cast<uint32_t>(bytes) / sizeof(int16_t));
        }
    }

    const uint32_t _rate;
    const uint32_t _block;
    const Push _push;
    const Lose _lose;
    bool _running = false;
    uint32_t _restarts = 0;
    uint32_t _known = 0;    /* blocks at the last call of poll(); 0 after a start */
    uint32_t _known_at = 0; /* when the last of them came */
    uint64_t _counted = 0;
    uint64_t _measured = 0;       /* microseconds */
    volatile uint32_t _heard = 0; /* when the last block came */
    volatile uint32_t _blocks = 0;
    int16_t _samples[MOST];
};

} // namespace sensors

#endif /* SENSORS_MICROPHONE_H */
