/* SPDX-License-Identifier: 0BSD */
/*
 * Slow quantities for a pipeline, like pressure: every sensor is read once for each sample, at the
 * pipeline's rate, by the clock of the board.
 */
#ifndef SENSORS_GAUGE_H
#define SENSORS_GAUGE_H

#include "bus.h"

namespace sensors {

/* A sensor of one quantity. */
class Gauge {
  public:
    /* Looks for the sensor, configures it, and starts it. */
    virtual bool start(Bus &bus) = 0;

    /* Reads its last value, in its own counts. */
    virtual bool read(Bus &bus, int32_t &counts) = 0;

  protected:
    ~Gauge()
    {
    }
};

/* A sensor, and what its counts are in the pipeline: (counts * factor + offset) / 2^32. */
struct GaugeChannel {
    Gauge *gauge;
    int64_t factor;
    int64_t offset;
    int16_t low;
    int16_t high;
};

class Gauges {
  public:
    typedef void (*Push)(const int16_t *samples, uint32_t count);
    typedef void (*Lose)(uint32_t count);

    /* `period` is the time from one sample to the next, in nanoseconds. */
    Gauges(Bus &bus, const GaugeChannel *channels, size_t count, uint64_t period, Push push,
           Lose lose)
        : _bus(bus), _channels(channels), _count(count), _period(period), _push(push), _lose(lose)
    {
    }

    /* Starts the sensors, and returns whether all are there. Otherwise, poll() tries again. */
    bool begin()
    {
        _time = _bus.microseconds();
        _passed = 0;
        _started = start();
        return _started;
    }

    /* Reads the sensors if a sample is due. */
    void poll()
    {
        const uint32_t now = _bus.microseconds();
        _passed += static_cast<uint64_t>(now - _time) * 1000u;
        _time = now;
        if (_passed < _period) {
            return;
        }
        const uint64_t due = _passed / _period;
        _passed %= _period;
        int16_t sample[MOST];
        bool good = false;
        if (_started) {
            good = read(sample);
            _failures = good ? 0 : _failures + 1;
            _started = _failures < MOST_FAILURES;
        } else {
            _started = start(); /* the first sample follows a period later */
            _failures = 0;
        }
        if (_pushed) {
            _lose(static_cast<uint32_t>(good ? due - 1 : due));
        }
        if (good) {
            _push(sample, 1);
            _pushed = true;
        }
    }

    /* The rate, in thousandths of a hertz. */
    uint32_t measured_millihertz() const
    {
        return static_cast<uint32_t>(1000000000000ull / _period);
    }

  private:
    static const size_t MOST = 3;
    static const uint32_t MOST_FAILURES = 3; /* in a row, before a sensor is started again */

    bool start()
    {
        for (size_t i = 0; i < _count; ++i) {
            if (!_channels[i].gauge->start(_bus)) {
                return false;
            }
        }
        return true;
    }

    bool read(int16_t *sample)
    {
        for (size_t i = 0; i < _count; ++i) {
            const GaugeChannel &channel = _channels[i];
            int32_t counts = 0;
            if (!channel.gauge->read(_bus, counts)) {
                return false;
            }
            const int64_t value = (counts * channel.factor + channel.offset) >> 32;
            sample[i] = static_cast<int16_t>(value > channel.high  ? channel.high
                                             : value < channel.low ? channel.low
                                                                   : value);
        }
        return true;
    }

    Bus &_bus;
    const GaugeChannel *const _channels;
    const size_t _count;
    const uint64_t _period;
    const Push _push;
    const Lose _lose;
    uint32_t _time = 0;
    uint64_t _passed = 0; /* nanoseconds since the last sample was due */
    uint32_t _failures = 0;
    bool _started = false;
    bool _pushed = false;
};

} // namespace sensors

#endif /* SENSORS_GAUGE_H */
