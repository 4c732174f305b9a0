"""Alarm: an event when a score is high for several windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic.scores import running_mean
from tflm_ext.document import entry
from tflm_ext.signals.checks import expect
from tflm_ext.signals.decisions import (
    after_quiet,
    check_shared,
    decision_spec,
    reach,
    shift_of,
    thresholds,
    windows_of,
    windows_of_delay,
)
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered


@registered
@dataclass(frozen=True)
class Alarm:
    """An event when the mean of a score was high in several of the last windows.

    A decision's label is 1 while the mean is high, else 0; its score is the mean. While the mean
    stays high, there is no other event.
    """

    VERSION: ClassVar[int] = 1

    average: int = entry(
        "Windows of the running mean, a power of two: a new score has the weight 1 / average.",
        default=1,
    )
    needed: int = entry("Windows with a high mean that make an event.", default=1)
    of: int = entry("Of how many windows these are the last.", default=1)
    quiet_seconds: float = entry(
        "Before the next event, the mean must be below `off` for this time without interruption, "
        "rounded up to whole windows; at least one.",
        default=0.0,
    )
    on: float | None = entry(
        "Mean from which on the score is high, in its unit, to the nearest step; from calibration.",
        default=None,
    )
    off: float | None = entry("Mean from which on it remains high; by default, `on`.", default=None)

    def __post_init__(self) -> None:
        check_shared(self)

    @property
    def delay(self) -> int:
        """Windows after the first one that a lasting change takes to become an event."""
        return windows_of_delay(self)

    def bind(self, source: Spec) -> AlarmBlock:
        expect("Alarm", source, Form.SCORE)
        on, off = thresholds("Alarm", self.on, self.off, *reach(source), source.scale)
        shift = shift_of("Alarm.average", self.average)
        quiet = max(windows_of("Alarm.quiet_seconds", self.quiet_seconds, source), 1)
        return AlarmBlock(source, on, off, shift, self.needed, self.of, quiet)


@dataclass(frozen=True)
class AlarmBlock:
    """An alarm with thresholds in steps of the score, and times in windows.

    Attributes:
        shift: base 2 logarithm of the windows of the mean.
        quiet: windows below `off` before the next event, 1 or more.
    """

    source: Spec
    on: int
    off: int
    shift: int
    needed: int
    of: int
    quiet: int

    @property
    def out(self) -> Spec:
        return decision_spec(self.source, self.source.limits)

    def start(self) -> State:
        """The arrays of lower().state, none of which has begun."""
        kinds = np.int64, np.uint32, np.uint32, np.uint32, np.uint32, np.uint32
        return tuple(np.zeros(1, kind) for kind in kinds)

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        total, started, high, history, hits, wait = (int(part[0]) for part in state)
        rows = []  # of Python's integers, which are faster than those of NumPy one by one
        for score in items[:, 0].tolist():
            if not started:
                started, total = 1, score << self.shift
            total = running_mean(total, score, self.shift)
            mean = total >> self.shift
            high = int(mean >= (self.off if high else self.on))
            event = 0
            ended, wait = after_quiet(wait, self.quiet, bool(high))
            if ended:
                hits += high - ((history >> (self.of - 1)) & 1)
                history = (history << 1 | high) & 0xFFFFFFFF
                if hits >= self.needed:
                    event, history, hits, wait = 1, 0, 0, self.quiet
            rows.append((event, high, mean))
        found = np.array(rows, np.int32).reshape(-1, 3)
        new = total, started, high, history, hits, wait
        return found, tuple(
            np.array([value], part.dtype) for value, part in zip(new, state, strict=True)
        )

    def lower(self) -> SignalCall:
        return SignalCall(
            name="alarm",
            header="alarm.h",
            fields=(
                ("on", self.on),
                ("off", self.off),
                ("average", self.shift),
                ("needed", self.needed),
                ("of", self.of),
                ("quiet", self.quiet),
            ),
            state=(
                Memory("sum", "int64_t", 1),
                Memory("started", "uint32_t", 1),
                Memory("high", "uint32_t", 1),
                Memory("history", "uint32_t", 1),
                Memory("hits", "uint32_t", 1),
                Memory("wait", "uint32_t", 1),
            ),
        )
