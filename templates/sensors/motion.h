/* SPDX-License-Identifier: 0BSD */
/*
 * Samples of motion for a pipeline, from the one of several sensors that the board has: scaled to
 * the pipeline's range, and with its rate.
 *
 * poll() never waits for a sensor. What the sensor or the bus loses is counted, and a sensor that
 * fails, is reset or falls silent is started again.
 */
#ifndef SENSORS_MOTION_H
#define SENSORS_MOTION_H

#include <string.h>

#include "../tflm_ext/resample.h"
#include "imu.h"

namespace sensors {

/* Take samples of all channels, and how many were lost. */
typedef void (*Push)(const int16_t *samples, uint32_t count);
typedef void (*Lose)(uint32_t count);

/* A sensor, and how its samples become those of the pipeline. */
struct MotionSource {
    Imu *imu;
    /* Counts of the pipeline for 65536 counts of the sensor. */
    int32_t acceleration_factor;
    int32_t rotation_factor;
    /* From the nominal rate of the sensor to that of the pipeline; NULL: they are equal. */
    const int16_t *coefficients;
    tflm_ext_resample_t resample;
};

/* What of the samples the pipeline takes, and memory for the resampler. */
struct MotionTarget {
    size_t first; /* 0 with acceleration, 3 with only rotation */
    size_t channels;
    int16_t *recent;
    size_t recent_size;
    Push push;
    Lose lose;
};

class Motion {
  public:
    Motion(Bus &bus, const MotionSource *sources, size_t count, const MotionTarget &target)
        : _bus(bus), _sources(sources), _source_count(count), _target(target)
    {
    }

    /* Looks for a sensor, and returns whether there is one. Otherwise, poll() looks again. */
    bool begin()
    {
        _time = _bus.microseconds();
        return start();
    }

    /* Passes on what the sensor has measured. Call it as often as possible. */
    void poll()
    {
        tick();
        if (_source == NULL) {
            if (_waited >= RETRY && !start()) {
                count_absence();
            }
            return;
        }
        if (_left == 0 && _since < UNIT / _rate) {
            return; /* no sample can have come */
        }
        Counts samples[MOST];
        const Taken taken = _source->imu->take(_bus, samples, MOST);
        account(taken);
        for (size_t i = 0; i < taken.count; ++i) {
            pass(samples[i]);
        }
        if (taken.failed || _waited >= silence()) {
            stop();
        }
    }

    /* The name of the sensor; NULL if none was found, or it has stopped. */
    const char *name() const
    {
        return _source != NULL ? _source->imu->name() : NULL;
    }

    /* The rate that the sensor should have, in thousandths of a hertz. */
    uint32_t nominal_millihertz() const
    {
        return _rate;
    }

    /* The rate that it has by the clock of the board; 0 until that is known. */
    uint32_t measured_millihertz() const
    {
        return _measured < SECOND ? 0u : static_cast<uint32_t>(_counted * UNIT / _measured);
    }

    /* How often the sensor had to be started again. */
    uint32_t restarts() const
    {
        return _restarts;
    }

  private:
    static const size_t MOST = 32;
    static const uint32_t RETRY = 100000; /* microseconds */
    static const uint32_t SECOND = 1000000;
    static const uint32_t UNIT = 1000000000; /* microseconds times millihertz, for one sample */

    void tick()
    {
        const uint32_t now = _bus.microseconds();
        const uint32_t spent = now - _time;
        _time = now;
        _since += spent;
        _waited += spent;
        _owed += static_cast<int64_t>(spent) * _rate;
    }

    /* Microseconds without a sample after which a sensor counts as silent. */
    uint32_t silence() const
    {
        const uint32_t periods = 4u * (UNIT / _rate);
        return periods > 250000u ? periods : 250000u;
    }

    bool start()
    {
        for (size_t i = 0; i < _source_count && _source == NULL; ++i) {
            if (_sources[i].imu->start(_bus)) {
                _source = &_sources[i];
            }
        }
        tick();
        _since = 0;
        _waited = 0;
        _left = 0;
        _gap = true;
        if (_source == NULL) {
            return false;
        }
        if (_source != _last) {
            memset(_target.recent, 0, _target.recent_size * sizeof(int16_t));
            _place[0] = _place[1] = 0;
            _last = _source;
        }
        _rate = _source->imu->setup().millihertz;
        return true;
    }

    /* Lets poll() start a sensor again, at once. */
    void stop()
    {
        _source = NULL;
        _waited = RETRY;
        ++_restarts;
    }

    /*
     * Counts what was lost. `_owed` is what the clock says should have come and was not taken yet,
     * so that it is known how many samples an overrun or a restart has cost, give or take one.
     */
    void account(const Taken &taken)
    {
        const size_t come = taken.count + taken.dropped + taken.left - _left;
        const int64_t owed = _owed - static_cast<int64_t>(taken.count + taken.left) * UNIT;
        const int64_t samples = (owed + UNIT / 2) / UNIT;

        _pending += _since;
        _since = 0;
        if (taken.failed || (come == 0 && !taken.overrun)) {
            _owed -= static_cast<int64_t>(taken.count) * UNIT;
            _passed = _passed || taken.count > 0;
            _left = taken.left;
            return;
        }
        _waited = 0;
        if (_gap || taken.overrun) {
            if (_gap && taken.count == 0) {
                return; /* it has started, but has not measured yet */
            }
            const int64_t least = taken.overrun ? 1 : 0;
            count_lost(!_passed ? 0 : (samples > least ? samples : least));
        } else {
            count_lost(static_cast<int64_t>(taken.dropped));
            _counted += come;
            _measured += _pending;
        }
        _passed = true;
        _gap = false;
        _pending = 0;
        _left = taken.left;
        _owed = static_cast<int64_t>(taken.left) * UNIT;
    }

    /* Counts the samples of a sensor that cannot be started, but for the last few. */
    void count_absence()
    {
        const int64_t samples = _owed / UNIT - 2;
        if (!_passed) {
            _owed = 0;
        } else if (samples > 0) {
            count_lost(samples);
            _owed -= samples * UNIT;
        }
    }

    /* Counts lost samples of the sensor, as samples of the pipeline. */
    void count_lost(int64_t count)
    {
        if (count > 0) {
            const int64_t up = _last->coefficients != NULL ? _last->resample.up : 1;
            const int64_t down = _last->coefficients != NULL ? _last->resample.down : 1;
            _lost += count * up;
            _target.lose(static_cast<uint32_t>(_lost / down));
            _lost %= down;
        }
    }

    void pass(const Counts &counts)
    {
        int16_t sample[6];
        for (size_t i = 0; i < _target.channels; ++i) {
            const size_t from = _target.first + i;
            sample[i] = scaled(counts[from],
                               from < 3 ? _source->acceleration_factor : _source->rotation_factor);
        }
        if (_source->coefficients == NULL) {
            _target.push(sample, 1);
            return;
        }
        int16_t made[6]; /* the rate of the pipeline is never higher */
        const uint32_t count = tflm_ext_resample(
            &_source->resample, sample, 1, _source->coefficients, _target.recent, _place, made);
        if (count > 0) {
            _target.push(made, count);
        }
    }

    static int16_t scaled(int16_t value, int32_t factor)
    {
        const int64_t product = (static_cast<int64_t>(value) * factor + 32768) >> 16;
        return static_cast<int16_t>(product > 32767 ? 32767 : product < -32768 ? -32768 : product);
    }

    Bus &_bus;
    const MotionSource *const _sources;
    const size_t _source_count;
    const MotionTarget _target;
    const MotionSource *_source = NULL;
    const MotionSource *_last = NULL; /* the last one that was started */
    int32_t _place[2] = {};           /* of the resampler */
    uint32_t _rate = 0;
    uint32_t _time = 0;
    uint32_t _since = 0;    /* microseconds since the buffer was looked at */
    uint32_t _waited = 0;   /* microseconds since a sample came, or an attempt to start */
    uint32_t _pending = 0;  /* the same since a sample came, of a sensor without gaps */
    uint64_t _counted = 0;  /* samples without gaps, */
    uint64_t _measured = 0; /* and the microseconds that they took */
    int64_t _owed = 0;
    int64_t _lost = 0;    /* remainder, in fractions of a sample of the pipeline */
    size_t _left = 0;     /* samples that the last call of take() left */
    bool _gap = false;    /* whether it was started since a sample came */
    bool _passed = false; /* whether a sample was ever passed on */
    uint32_t _restarts = 0;
};

} // namespace sensors

#endif /* SENSORS_MOTION_H */
