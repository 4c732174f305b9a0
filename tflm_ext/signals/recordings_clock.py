"""The times of samples in a CSV, compared with the rate of a source."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.stage import Array

TOLERANCE = 0.02
"""By how much the rate of a recording may differ from that of the source."""
_OTHER = 0.25
"""If the usual distance of samples differs by more, it is another rate, and nothing is missing."""
_LATE, _EARLY = 1.5, 0.5  # longest and shortest distance of two samples, in periods
_UNITS = {1e-3: "ms", 1e-6: "us", 1e-9: "ns", 1e3: "s", 1e6: "s"}


@dataclass(frozen=True, slots=True)
class Clock:
    """Times of samples.

    Attributes:
        seconds: (samples,), float64.
        lines: (samples,), where they are in the file.
        resolution: smallest difference that the file can express, in seconds.
        column: name of their column.
    """

    seconds: Array
    lines: Array
    resolution: float
    column: str


def check_clock(clock: Clock, rate: Fraction, where: str) -> None:
    """Require that samples follow one another at a rate.

    A file that rounds its times, as to milliseconds, may be off by its resolution.

    Raises:
        ConfigError: the rate is another one, samples are missing, or the clock jumps or runs
            backwards. Names the first line.
    """
    if len(clock.seconds) < 2:
        return
    steps = np.diff(clock.seconds)
    period = float(1 / rate)
    rounding = 2 * float(np.spacing(np.abs(clock.seconds).max()))
    slack = clock.resolution + rounding
    usual = float(np.median(steps))
    mean = float(clock.seconds[-1] - clock.seconds[0]) / len(steps)
    if usual > 0 and abs(usual - period) > _OTHER * period + slack:
        regular = abs(mean - usual) < _OTHER * usual
        _refuse_rate(clock, mean if regular else usual, rate, where)
    _check_steps(steps, clock, period, slack, where)
    if abs(mean - period) > TOLERANCE * period + slack / len(steps):
        _refuse_rate(clock, mean, rate, where)


def _check_steps(steps: Array, clock: Clock, period: float, slack: float, where: str) -> None:
    backwards = steps < 0
    equal = (steps == 0) & (clock.resolution < _EARLY * period)
    early = steps < _EARLY * period - slack
    late = steps > _LATE * period + slack
    wrong = backwards | equal | early | late
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    step = float(steps[at])
    line = f"{where}, line {clock.lines[at + 1]:,}: "
    split = "Split the recording there, and pass its parts."
    if backwards[at]:
        raise ConfigError(
            f"{line}the clock runs backwards, by {-step:.6g} s.",
            f"{split} A 32-bit counter of microseconds begins again after 71 minutes.",
        )
    if equal[at]:
        raise ConfigError(
            f"{line}two samples have the same time.",
            "Remove one of them, or write times with more digits.",
        )
    if late[at]:
        missing = max(round(step / period) - 1, 1)
        raise ConfigError(
            f"{line}there are {step:.6g} s since the sample before, and should be {period:.6g}: "
            f"{missing:,} or more are missing.",
            split,
        )
    raise ConfigError(
        f"{line}the clock jumps: there are {step:.6g} s since the sample before, and should be "
        f"{period:.6g}.",
        f"{split} If times are those of arrival, remove the column {clock.column!r}.",
    )


def _refuse_rate(clock: Clock, step: float, rate: Fraction, where: str) -> NoReturn:
    """Raise the error for samples of another rate.

    Args:
        step: from sample to sample, in seconds.
    """
    found, wanted = 1 / step, float(rate)
    for factor, unit in _UNITS.items():
        if abs(found / wanted / factor - 1) < TOLERANCE:
            remedy = (
                f"Name the column {f'time_{unit}'!r} if its times are in {unit}: without a unit, "
                "they are in seconds."
            )
            break
    else:
        remedy = (
            f"Resample the recording to {wanted:.6g} per second, or use a source with "
            f"rate={found:.5g}."
        )
    raise ConfigError(
        f"{where} has {found:.5g} samples per second by its column {clock.column!r}; the source "
        f"has {wanted:.6g}.",
        remedy,
    )
