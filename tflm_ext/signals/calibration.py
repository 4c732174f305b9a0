"""Thresholds from recordings: how often a decision would raise a false alarm.

Nothing is known about what was not recorded. H quiet hours without a false alarm bound their rate
by 3 / H per hour, with a confidence of 95 %; a smaller rate is extrapolated from the tail of the
scores.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.document import Count, entry
from tflm_ext.errors import ConfigError
from tflm_ext.pictures import draw, legend_above
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array

_TAIL = 0.99
"""Quantile of the scores above which their tail is fitted."""
_LEAST_TAIL = 20
"""Scores that a tail needs."""
_POINTS = 60
_CONFIDENCE = 0.95
_HOURS_PER_DAY = 24.0


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a threshold would do."""

    threshold: float = entry("In the unit of the score.")
    observed_per_day: float = entry("Events in the recordings without any, per day.")
    fitted_per_day: float = entry("Windows above the threshold per day, by the fitted tail.")
    found: float | None = entry("Share of the recordings with an event in which one was found.")


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and what they do in the recordings that they were chosen with.

    Attributes:
        curve: from low to high thresholds.
    """

    threshold: float = entry("`on` of the decision.")
    off: float | None = entry("`off` of the decision; null if it is `on`.")
    wanted_per_day: float = entry("False alarms per day that the user allows.")
    hours: float = entry("Of recordings without events.")
    windows: Count = entry("In them.")
    false_alarms: Count = entry("Observed in them.")
    bound_per_day: float = entry(
        "With a confidence of 95 %, there are fewer false alarms per day than this."
    )
    fitted_per_day: float = entry(
        "Windows above the threshold per day by the tail of the scores, which is exponential above "
        "its 99 % quantile; false alarms are fewer, because windows that follow one another count "
        "once."
    )
    extrapolated: bool = entry(
        "Whether the threshold comes from the fitted tail, because there are too few hours."
    )
    events: Count = entry("Recordings with an event.")
    found: Count = entry("Of them, those in which one was found.")
    delay_seconds: float | None = entry(
        "Median time from the beginning of such a recording to its first event."
    )
    curve: tuple[CurvePoint, ...] = entry("From low to high thresholds.")
    model_sha256: str = entry(
        "Digest of the int8 model that computed the scores; empty without one.", default=""
    )

    @property
    def observed_per_day(self) -> float:
        """False alarms per day in the recordings without events."""
        return self.false_alarms / self.hours * _HOURS_PER_DAY

    def picture(self, path: str | os.PathLike[str]) -> Path:
        """Draw rates and share found over the threshold, and return the path.

        Args:
            path: a .png, .svg or .pdf file.

        Raises:
            ConfigError: the file has another ending.
            ToolError: matplotlib is not installed.
            StorageError: the file cannot be written.
        """
        return draw(path, lambda axes: _draw(axes, self))

    def __str__(self) -> str:
        """What was observed, fitted and bound, one line each."""
        off = "" if self.off is None else f", off {self.off:.6g}"
        lines = [
            f"threshold {self.threshold:.6g}{off}",
            f"observed: {self.false_alarms} false alarms in {self.hours:.4g} h",
            f"fitted:   {self.fitted_per_day:.4g} windows above it per day",
            f"bound:    fewer than {self.bound_per_day:.4g} false alarms per day (95 %)",
        ]
        if self.bound_per_day > self.wanted_per_day:
            lines.append(
                f"{self.wanted_per_day:g} per day is not shown by these recordings: it takes "
                f"{hours_needed(self.wanted_per_day):.4g} h without a false alarm"
            )
        if self.events:
            delay = "" if self.delay_seconds is None else f", after {self.delay_seconds:.4g} s"
            lines.append(f"found:    {self.found} of {self.events} events{delay}")
        return "\n".join(lines)


def _draw(axes: Any, calibration: Calibration) -> None:
    curve = calibration.curve
    thresholds = [point.threshold for point in curve]
    seen = [point for point in curve if point.observed_per_day > 0]
    bound = calibration.bound_per_day
    axes.plot(
        [point.threshold for point in seen],
        [point.observed_per_day for point in seen],
        "o",
        markersize=3,
        label="observed false alarms per day",
    )
    fitted = [point.fitted_per_day for point in curve]
    axes.plot(thresholds, fitted, linewidth=0.8, label="windows above it per day, fitted")
    axes.axhline(calibration.wanted_per_day, color="gray", linewidth=0.8, label="wanted")
    axes.axhline(bound, color="gray", linestyle=":", linewidth=0.8, label="bound (95 %)")
    axes.axvline(calibration.threshold, color="tab:red", linewidth=0.8, label="threshold")
    axes.set_yscale("log")
    axes.set_xlabel("threshold")
    axes.set_ylabel("per day")
    legend_above(axes)
    if calibration.events:
        share = axes.twinx()
        found = [point.found for point in curve]
        share.plot(thresholds, found, color="tab:green", linewidth=0.8)
        share.set_ylabel("share of events found", color="tab:green")
        share.set_ylim(0, 1.05)


def hours_needed(per_day: float) -> float:
    """Return the hours without a false alarm that show a rate, with a confidence of 95 %.

    Example:
        >>> round(hours_needed(1.0), 1)
        71.9
    """
    return -math.log(1 - _CONFIDENCE) * _HOURS_PER_DAY / per_day


def rate_bound(count: int, hours: float) -> float:
    """Return the bound of a rate per hour after `count` events, with a confidence of 95 %.

    The exact one of a Poisson process: with this rate, as few events are seen in 5 % of cases.

    Example:
        >>> round(rate_bound(0, 1.0), 3), round(rate_bound(3, 2.0), 3)
        (2.996, 3.877)
    """
    low, high = 0.0, count + 10 * math.sqrt(count + 1.0) + 10.0
    for _ in range(100):
        middle = (low + high) / 2
        terms = (k * math.log(middle) - middle - math.lgamma(k + 1) for k in range(count + 1))
        if sum(map(math.exp, terms)) > 1 - _CONFIDENCE:
            low = middle
        else:
            high = middle
    return high / hours


def count_that_shows(per_day: float, hours: float) -> int:
    """Return with how many false alarms in some hours a rate is shown; -1 if with none.

    Example:
        >>> count_that_shows(1.0, 72.0), count_that_shows(1.0, 24.0), count_that_shows(10.0, 72.0)
        (0, -1, 20)
    """
    low, high = -1, int(per_day * hours / _HOURS_PER_DAY) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if rate_bound(middle, hours) * _HOURS_PER_DAY <= per_day:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True)
class Tail:
    """Scores above a high quantile, as an exponential distribution.

    Attributes:
        start: the quantile.
        mean: mean excess above it.
        per_day: windows above `start` per day.
    """

    start: float
    mean: float
    per_day: float

    @classmethod
    def of(cls, scores: Array, windows_per_day: float) -> Tail:
        """Fit the tail of scores of windows without an event."""
        start = float(np.quantile(scores, _TAIL))
        above = scores[scores > start] - start
        mean = float(above.mean()) if len(above) else 0.0
        return cls(start, mean, len(above) / len(scores) * windows_per_day)

    def rate(self, threshold: float) -> float:
        """Return the windows above a threshold per day."""
        if threshold <= self.start:
            return self.per_day
        return self.per_day * math.exp(-(threshold - self.start) / self.mean) if self.mean else 0.0

    def threshold(self, per_day: float) -> float:
        """Return the threshold with this number of windows above it per day."""
        if per_day >= self.per_day:
            return self.start
        return self.start + self.mean * math.log(self.per_day / per_day)


def calibrate(
    decide: Any,
    source: Spec,
    quiet: Sequence[Array],
    eventful: Sequence[Array],
    ends: Any,
    *,
    false_alarms_per_day: float,
    duration_hours: float,
) -> Calibration:
    """Choose the thresholds of a decision.

    The threshold is the smallest one that raises no more false alarms in the quiet recordings than
    allowed, if they are long enough to show it, and otherwise at least that of the fitted tail.

    Args:
        decide: the decision, Alarm or Detect; its thresholds do not matter.
        source: what it receives.
        quiet: items of each recording without an event: (windows, *source.shape).
        eventful: the same of each recording with an event.
        ends: Pipeline.window_ends, for the delay.
        duration_hours: of all quiet recordings.

    Raises:
        ConfigError: the decision has no thresholds, or the quiet recordings are too short.
    """
    if not hasattr(decide, "on"):
        raise ConfigError(
            f"{type(decide).__name__} has no threshold that could be calibrated.",
            "Use Alarm or Detect.",
        )
    still, active = (
        [_Means.of(decide, source, items) for items in part] for part in (quiet, eventful)
    )
    every = _every(still)
    tail = Tail.of(every, len(every) / duration_hours * _HOURS_PER_DAY)
    shown = count_that_shows(false_alarms_per_day, duration_hours)
    allowed = max(shown, 0)
    candidates = _candidates(source, every, tail, false_alarms_per_day)
    off = tail.start if hasattr(decide, "average") and source.form is Form.SCORE else None

    def events(threshold: float, recordings: Sequence[_Means]) -> list[Array]:
        own = _with(decide, threshold, off)
        return [means.events(own) for means in recordings]

    counts = {t: sum(map(len, events(t, still))) for t in candidates}
    fitting = [t for t in candidates if all(counts[o] <= allowed for o in candidates if o >= t)]
    observed = min(fitting, default=candidates[-1])
    fitted = next((t for t in candidates if t >= tail.threshold(false_alarms_per_day)), observed)
    threshold = observed if shown >= 0 else max(observed, fitted)
    delays = [float(ends(own[0] + 1)[-1]) for own in events(threshold, active) if len(own)]
    curve = tuple(
        CurvePoint(
            t,
            counts[t] / duration_hours * _HOURS_PER_DAY,
            tail.rate(t),
            np.mean([len(own) > 0 for own in events(t, active)]).item() if active else None,
        )
        for t in candidates
    )
    return Calibration(
        threshold=threshold,
        off=_with(decide, threshold, off).off,
        wanted_per_day=false_alarms_per_day,
        hours=duration_hours,
        windows=len(every),
        false_alarms=counts[threshold],
        bound_per_day=rate_bound(counts[threshold], duration_hours) * _HOURS_PER_DAY,
        fitted_per_day=tail.rate(threshold),
        extrapolated=shown < 0 and threshold > observed,
        events=len(eventful),
        found=len(delays),
        delay_seconds=float(np.median(delays)) if delays else None,
        curve=curve,
    )


def _every(recordings: Sequence[_Means]) -> Array:
    """Return the scores of all recordings.

    Raises:
        ConfigError: there are too few for a tail.
    """
    every = np.concatenate([own.scores for own in recordings]) if recordings else np.zeros(0)
    least = _LEAST_TAIL / (1 - _TAIL)
    if len(every) < least:
        raise ConfigError(
            f"The recordings without events have {len(every):,} windows, which are too few for a "
            "threshold.",
            f"Pass recordings with {least:,.0f} windows or more.",
        )
    return every


def _lowest(source: Spec) -> float:
    """Return the smallest value that a score can have."""
    if source.form is Form.SCORE:
        return -(2.0**31) * source.scale if source.limits is None else source.limits[0]
    return (-128 - source.zero_point) * source.scale


def _highest(source: Spec) -> float:
    if source.form is Form.SCORE:
        return (2.0**31 - 1) * source.scale if source.limits is None else source.limits[1]
    return (127 - source.zero_point) * source.scale


def _with(decide: Any, threshold: float, off: float | None) -> Any:
    return replace(decide, on=threshold, off=None if off is None else min(off, threshold))


@dataclass(frozen=True, eq=False)
class _Means:
    """What a decision compares with its thresholds, window by window.

    A decision on these alone, without its running means, is the same; so the means are computed
    once for all thresholds, and long stretches without anything high are left out.

    Attributes:
        source: what the decision receives.
        items: (windows, *source.shape), of which the means are the largest value.
        steps: (windows,), the means.
        scores: the same as real values.
    """

    source: Spec
    items: Array
    steps: Array
    scores: Array

    @classmethod
    def of(cls, decide: Any, source: Spec, items: Array) -> _Means:
        """Run the running means of a decision once."""
        block = replace(decide, on=_lowest(source), off=None).bind(source)
        found, _ = block.run(items, block.start())
        labels, steps = found[:, 1], found[:, 2].astype(np.int64)
        scores = steps * block.out.scale
        if source.form is Form.SCORE:
            return cls(source, found[:, 2:], steps, scores)
        # Classes as if there were no other: the label has the mean, what is not found the least.
        alone = np.full((len(found), source.size), -128, np.int8)
        rows = np.flatnonzero(labels >= 0)
        alone[rows, labels[rows]] = steps[rows] + source.zero_point
        return cls(source, alone, np.where(labels >= 0, steps, -256), scores)

    def events(self, decide: Any) -> Array:
        """Return the windows with an event."""
        plain = {"average": 1} | ({"margin": 0.0} if hasattr(decide, "margin") else {})
        block = replace(decide, **plain).bind(self.source)
        numbers = np.arange(len(self.steps))
        high = np.where(self.steps >= block.off, numbers, -1)
        # After this time without anything high, a decision is as in the beginning.
        kept = numbers - np.maximum.accumulate(high) <= block.of + block.quiet
        kept &= np.maximum.accumulate(high) >= 0
        rows = np.flatnonzero(kept)
        if not len(rows):
            return rows
        found, _ = block.run(self.items[rows], block.start())
        return rows[found[:, 0] != 0]


def _candidates(source: Spec, scores: Array, tail: Tail, per_day: float) -> list[float]:
    """Return thresholds from the 90 % quantile of the scores to beyond that of the tail."""
    highest = _highest(source)
    end = max(float(scores.max()), tail.threshold(per_day), tail.threshold(per_day / 10))
    last = min(end * 1.02 + source.scale, highest)
    spread = np.linspace(float(np.quantile(scores, 0.9)), last, _POINTS).tolist()
    # Thresholds are steps of the score.
    steps = {math.ceil(t / source.scale) for t in (*spread, tail.threshold(per_day))}
    return sorted(step * source.scale for step in steps if step * source.scale <= highest)
