"""What decisions have in common: seconds and thresholds as integers, and the quiet time."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tflm_ext.arithmetic.scores import steps
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import real, refuse, whole
from tflm_ext.signals.spec import Form, Spec

MOST_COUNTED = 32
"""The most windows of N of M."""
_MOST_SECONDS = 1e7
_LARGEST = 1e12
_AVERAGES = tuple(1 << shift for shift in range(11))


def check_shared(stage: Any) -> None:
    """Check the options that Alarm and Detect share.

    Raises:
        ConfigError: one of them cannot be used.
    """
    name = type(stage).__name__
    check_threshold(f"{name}.on", stage.on)
    check_threshold(f"{name}.off", stage.off)
    if stage.on is not None and stage.off is not None and stage.off > stage.on:
        raise ConfigError(
            f"{name}.off={stage.off:g} is above on={stage.on:g}.", "Pass a smaller off."
        )
    shift_of(f"{name}.average", stage.average)
    whole(f"{name}.of", stage.of, 1, MOST_COUNTED)
    whole(f"{name}.needed", stage.needed, 1, stage.of, "Pass no more than `of`.")
    real(f"{name}.quiet_seconds", stage.quiet_seconds, 0, _MOST_SECONDS)


def windows_of_delay(stage: Any) -> int:
    """Return after how many windows a lasting change becomes an event, for Alarm and Detect.

    The running mean has 63 % of the change after `average` windows.
    """
    return int(stage.average - 1 + stage.needed - 1)


def check_threshold(what: str, value: float | None) -> None:
    """Require None or a finite number.

    Raises:
        ConfigError: it is something else.
    """
    if value is not None:
        real(what, value, -_LARGEST, _LARGEST)


def shift_of(what: str, average: int) -> int:
    """Return the base 2 logarithm of the windows of a running mean.

    Raises:
        ConfigError: they are not a power of two, or more than 1024.

    Example:
        >>> shift_of("Alarm.average", 16)
        4
    """
    remedy = "Pass 1, 2, 4, 8, 16, ..."
    found = whole(what, average, 1, _AVERAGES[-1], remedy)
    if found not in _AVERAGES:
        refuse(what, average, f"a power of two from 1 to {_AVERAGES[-1]}", remedy)
    return _AVERAGES.index(found)


def windows_of(what: str, seconds: float, source: Spec) -> int:
    """Return how many items take at least this long, as exact as the number is written.

    Raises:
        ConfigError: they are more than 2**30.

    Example:
        >>> spec = Spec(Form.SCORE, DType.INT32, (1,), Fraction(10), Fraction(10))
        >>> [windows_of("Alarm.quiet_seconds", s, spec) for s in (0, 0.1, 0.3, 0.31)]
        [0, 1, 3, 4]
    """
    found = math.ceil(Fraction(repr(float(seconds))) * source.rate)
    if found > 1 << 30:
        raise ConfigError(
            f"{what}={seconds:g} is {found:,} windows of this pipeline.", "Pass fewer seconds."
        )
    return found


def thresholds(
    stage: str, on: float | None, off: float | None, low: int, high: int, scale: float
) -> tuple[int, int]:
    """Return both thresholds in steps, to nearest; without `off` it is `on`.

    Args:
        stage: its name.
        on, off: as real values.
        low, high: the smallest and the largest value that is compared with them, in steps.
        scale: real value of a step.

    Raises:
        ConfigError: there are none yet, or they are never reached.
    """
    if on is None:
        raise ConfigError(
            f"{stage} has no threshold yet.",
            "Calibrate the pipeline, or pass on= to the decision.",
        )
    limit = steps(min(max(on, (low - 1) * scale), (high + 1) * scale), scale)
    if limit > high:
        raise ConfigError(
            f"{stage}.on={on:g} is above {high * scale:.6g}, which is the largest possible value.",
            "Pass a smaller on.",
        )
    other = on if off is None else off
    return limit, min(steps(max(other, (low - 1) * scale), scale), limit)


def reach(source: Spec) -> tuple[int, int]:
    """Return the smallest and the largest value of a score, in steps."""
    if source.limits is None:
        return -(2**31), 2**31 - 1
    low, high = (steps(limit, source.scale) for limit in source.limits)
    return low, high


def decision_spec(source: Spec, limits: tuple[float, float] | None = None) -> Spec:
    """Return what a decision gives: whether there is an event, its label, its score.

    Args:
        source: what it works on; the score has its scale.
        limits: of the score; None if they are not known.
    """
    return replace(
        source,
        form=Form.DECISION,
        dtype=DType.INT32,
        shape=(3,),
        zero_point=0,
        limits=limits,
        names=("event", "label", "score"),
    )


def after_quiet(wait: int, quiet: int, still_there: bool) -> tuple[bool, int]:
    """Return whether the quiet time has ended, and windows that it lasts yet.

    It starts again with every window in which what caused the event is still there.
    """
    if wait == 0:
        return True, 0
    return False, quiet if still_there else wait - 1
