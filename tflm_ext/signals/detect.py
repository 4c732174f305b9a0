"""Detect: an event when a classifier finds the same class in several windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic.scores import steps
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.signals.alarm import Alarm, AlarmBlock
from tflm_ext.signals.checks import expect, real, whole
from tflm_ext.signals.decisions import (
    after_quiet,
    check_shared,
    decision_spec,
    shift_of,
    thresholds,
    windows_of,
    windows_of_delay,
)
from tflm_ext.signals.scores import expect_classes
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered

_NONE = -(2**31)


@registered
@dataclass(frozen=True)
class Detect:
    """An event when a classifier finds the same class in several of the last windows.

    A class is found if its mean output is the largest, by `margin` at least, and reaches `on`. A
    decision's label is the class that is found, or -1; its score is the largest mean. On a score
    instead of a classifier's output, Detect is Alarm.
    """

    VERSION: ClassVar[int] = 1

    average: int = entry(
        "Windows of the running means, a power of two: a new output has the weight 1 / average.",
        default=1,
    )
    needed: int = entry("Windows with the same class that make an event.", default=1)
    of: int = entry("Of how many windows these are the last.", default=1)
    quiet_seconds: float = entry(
        "Before the next event, the class of the last one must not be found for this time without "
        "interruption, rounded up to whole windows; at least one.",
        default=0.0,
    )
    on: float | None = entry(
        "Mean from which on a class is found, as a probability, to the nearest step of the output; "
        "from calibration.",
        default=None,
    )
    off: float | None = entry(
        "Mean from which on a class is still found; by default, `on`.", default=None
    )
    background: int | None = entry(
        "Class that is never found, such as silence; null for none.", default=None
    )
    margin: float = entry(
        "By how much the largest mean must exceed every other, as a probability.", default=0.0
    )

    def __post_init__(self) -> None:
        check_shared(self)
        if self.background is not None:
            whole("Detect.background", self.background, 0, 4095)
        real("Detect.margin", self.margin, 0, 1e6)

    @property
    def delay(self) -> int:
        """Windows after the first one that a lasting change takes to become an event."""
        return windows_of_delay(self)

    def bind(self, source: Spec) -> DetectBlock | AlarmBlock:
        expect("Detect", source, Form.FEATURES, Form.SCORE)
        if source.form is Form.SCORE:
            return self._alarm(source)
        expect_classes("Detect", source)
        if self.background is not None and self.background >= source.size:
            raise ConfigError(
                f"Detect.background is class {self.background}, but the model has {source.size} "
                "outputs.",
                f"Pass a number from 0 to {source.size - 1}.",
            )
        scale, zero = source.scale, source.zero_point
        edges = -128 - zero, 127 - zero
        on, off = thresholds("Detect", self.on, self.off, *edges, scale)
        return DetectBlock(
            source,
            on,
            off,
            steps(min(self.margin, 256 * scale), scale),
            -1 if self.background is None else self.background,
            shift_of("Detect.average", self.average),
            self.needed,
            self.of,
            max(windows_of("Detect.quiet_seconds", self.quiet_seconds, source), 1),
        )

    def _alarm(self, source: Spec) -> AlarmBlock:
        if self.background is not None or self.margin:
            raise ConfigError(
                "Detect.background and margin are for classes, but Detect receives a score.",
                "Leave them out.",
            )
        alarm = Alarm(self.average, self.needed, self.of, self.quiet_seconds, self.on, self.off)
        return alarm.bind(source)


@dataclass(frozen=True)
class DetectBlock:
    """Thresholds in steps of the output above its zero point, and times in windows.

    Attributes:
        background: class, or -1.
        shift: base 2 logarithm of the windows of the means.
        quiet: windows without the class before the next event, 1 or more.
    """

    source: Spec
    on: int
    off: int
    margin: int
    background: int
    shift: int
    needed: int
    of: int
    quiet: int

    @property
    def out(self) -> Spec:
        zero, scale = self.source.zero_point, self.source.scale
        return decision_spec(self.source, ((-128 - zero) * scale, (127 - zero) * scale))

    def start(self) -> State:
        """The arrays of lower().state."""
        classes = self.source.size
        return (
            np.zeros(classes, np.int32),
            np.zeros(1, np.uint32),
            np.full(1, -1, np.int32),
            np.full(self.of, -1, np.int16),
            np.zeros(1, np.uint32),
            np.zeros(classes, np.uint8),
            np.full(1, -1, np.int32),
            np.zeros(1, np.uint32),
        )

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        values = items.reshape(len(items), self.source.size).astype(np.int64)
        values -= self.source.zero_point
        sums, started, active, history, at, hits, last, wait = state
        means, total = self._means(values, sums, bool(started[0]))
        seen, counts = history.tolist(), hits.tolist()
        label, place, last_label, waiting = (int(part[0]) for part in (active, at, last, wait))
        rows = []  # of Python's integers, which are faster than those of NumPy one by one
        for candidate, best in zip(*self._largest(means), strict=True):
            reached = best >= (self.off if candidate == label else self.on)
            label, event = candidate if reached else -1, 0
            again = label >= 0 and label == last_label
            ended, waiting = after_quiet(waiting, self.quiet, again)
            if ended:
                if seen[place] >= 0:
                    counts[seen[place]] -= 1
                seen[place] = label
                place = (place + 1) % self.of
                if label >= 0:
                    counts[label] += 1
                    if counts[label] >= self.needed:
                        event, last_label, waiting = 1, label, self.quiet
                        seen, counts = [-1] * self.of, [0] * len(counts)
            rows.append((event, label, best))
        return np.array(rows, np.int32).reshape(-1, 3), (
            total.astype(np.int32),
            np.ones_like(started) if len(items) else started,
            np.array([label], np.int32),
            np.array(seen, np.int16),
            np.array([place], np.uint32),
            np.array(counts, np.uint8),
            np.array([last_label], np.int32),
            np.array([waiting], np.uint32),
        )

    def _means(self, values: Array, sums: Array, started: bool) -> tuple[Array, Array]:
        """Return the running means of every window, and the sums after the last one."""
        total = sums.astype(np.int64)
        if not len(values):
            return values, total
        if not started:
            total = values[0] << self.shift
        if not self.shift:
            return values, values[-1]
        means = np.empty_like(values)
        for i, value in enumerate(values):
            total = total + value - (total >> self.shift)
            means[i] = total >> self.shift
        return means, total

    def _largest(self, means: Array) -> tuple[list[int], list[int]]:
        """Return the class with the largest mean, and that mean, for every window.

        The class is that of the first of equal means, and -1 if it is the background or too near to
        another one.
        """
        labels = means.argmax(axis=1)
        rows = np.arange(len(means))
        best = means[rows, labels]
        if means.shape[1] > 1:
            others = means.copy()
            others[rows, labels] = _NONE
            near = best < others.max(axis=1) + self.margin
        else:
            near = np.zeros(len(means), bool)
        found = np.where(near | (labels == self.background), -1, labels)
        return found.tolist(), best.tolist()

    def lower(self) -> SignalCall:
        classes = self.source.size
        return SignalCall(
            name="detect",
            header="detect.h",
            fields=(
                ("classes", classes),
                ("zero_point", self.source.zero_point),
                ("on", self.on),
                ("off", self.off),
                ("margin", self.margin),
                ("background", self.background),
                ("average", self.shift),
                ("needed", self.needed),
                ("of", self.of),
                ("quiet", self.quiet),
            ),
            state=(
                Memory("sums", "int32_t", classes),
                Memory("started", "uint32_t", 1),
                Memory("active", "int32_t", 1, -1),
                Memory("history", "int16_t", self.of, -1),
                Memory("at", "uint32_t", 1),
                Memory("hits", "uint8_t", classes),
                Memory("last", "int32_t", 1, -1),
                Memory("wait", "uint32_t", 1),
            ),
        )
