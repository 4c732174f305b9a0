"""How each inertial sensor gives what a pipeline with the source Motion needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tflm_ext.arithmetic.fixed import rounded
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Motion, Resample
from tflm_ext.signals.resample import ResampleBlock

_FRACTION_BITS = 16
_MOST_FACTOR = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Range:
    """A full scale that a sensor can be set to.

    Attributes:
        code: in the register.
        most: the largest value that the sensor measures.
        full: what 32768 counts stand for; more than `most` for some ranges.
    """

    code: int
    most: Fraction
    full: Fraction


@dataclass(frozen=True, slots=True)
class _Chip:
    """A sensor, as its data sheet describes it: codes of rates and ranges.

    Attributes:
        acceleration_rates: without the gyroscope.
        both_rates: with it.
    """

    name: str
    acceleration_rates: Mapping[Fraction, int]
    both_rates: Mapping[Fraction, int]
    acceleration: tuple[_Range, ...]
    rotation: tuple[_Range, ...]


def _exact(codes: Mapping[int, int]) -> tuple[_Range, ...]:
    """Return ranges that are full at 32768 counts."""
    return tuple(_Range(code, Fraction(most), Fraction(most)) for most, code in codes.items())


def _by_sensitivity(code: int, most: int, millis: str) -> _Range:
    """Return a range by the value of a count, in thousandths of the unit."""
    return _Range(code, Fraction(most), Fraction(millis) * 2**15 / 1000)


_FAST = {Fraction(119): 3, Fraction(238): 4, Fraction(476): 5, Fraction(952): 6}
_BMI270_RATES = {Fraction(25 << n): 6 + n for n in range(7)}

LSM9DS1 = _Chip(
    "LSM9DS1",
    {Fraction(10): 1, Fraction(50): 2, **_FAST},
    {Fraction("14.9"): 1, Fraction("59.5"): 2, **_FAST},
    (*_exact({2: 0, 4: 2, 8: 3}), _by_sensitivity(1, 16, "0.732")),
    (
        _by_sensitivity(0, 245, "8.75"),
        _by_sensitivity(1, 500, "17.5"),
        _by_sensitivity(3, 2000, "70"),
    ),
)
BMI270 = _Chip(
    "BMI270",
    _BMI270_RATES,
    _BMI270_RATES,
    _exact({2: 0, 4: 1, 8: 2, 16: 3}),
    _exact({125: 4, 250: 3, 500: 2, 1000: 1, 2000: 0}),
)
CHIPS = (LSM9DS1, BMI270)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a sensor is set to, and how its counts become samples of the pipeline.

    Attributes:
        chip: its name.
        rate, code: the nominal rate, and its code.
        acceleration, rotation: the ranges.
        acceleration_factor, rotation_factor: counts of the pipeline for 65536 of the sensor.
        resampler: to the rate of the pipeline; None if the rates are equal.
    """

    chip: str
    rate: Fraction
    code: int
    acceleration: _Range
    rotation: _Range
    acceleration_factor: int
    rotation_factor: int
    resampler: ResampleBlock | None


def measured(source: Motion) -> tuple[Measured, ...]:
    """Return how each sensor measures; nothing if one of them cannot give the rate."""
    found = [_measured(chip, source) for chip in CHIPS]
    known = tuple(one for one in found if one is not None)
    return known if len(known) == len(found) else ()


def _measured(chip: _Chip, source: Motion) -> Measured | None:
    rates = chip.acceleration_rates if source.axes == "acceleration" else chip.both_rates
    for rate in sorted(rates):
        if rate < source.rate:
            continue
        try:
            resampler = _resampler(source, rate)
        except ConfigError:
            continue  # too many coefficients
        acceleration = _smallest(chip.acceleration, source.range_g)
        rotation = _smallest(chip.rotation, source.range_dps)
        return Measured(
            chip=chip.name,
            rate=rate,
            code=rates[rate],
            acceleration=acceleration,
            rotation=rotation,
            acceleration_factor=_factor(acceleration, source.range_g),
            rotation_factor=_factor(rotation, source.range_dps),
            resampler=resampler,
        )
    return None


def _resampler(source: Motion, rate: Fraction) -> ResampleBlock | None:
    if rate == source.rate:
        return None
    sensor = Motion(rate, source.axes, source.range_g, source.range_dps)
    return Resample(source.rate).bind(sensor.spec)


def _smallest(ranges: tuple[_Range, ...], wanted: float) -> _Range:
    """Return the smallest range that has the wanted one; the largest if none has."""
    wide = [one for one in ranges if one.most >= wanted]
    return min(wide, key=lambda one: one.most) if wide else max(ranges, key=lambda one: one.most)


def _factor(given: _Range, wanted: float) -> int:
    """Return the factor of counts, where everything but 0 is saturated at most."""
    return min(rounded(given.full / Fraction(wanted), _FRACTION_BITS), _MOST_FACTOR)
