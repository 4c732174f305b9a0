"""Majority: the class of most of the last windows; an event when it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tflm_ext.document import entry
from tflm_ext.signals.checks import expect, real, whole
from tflm_ext.signals.decisions import check_threshold, decision_spec, thresholds, windows_of
from tflm_ext.signals.scores import expect_classes
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered

_EMPTY = -2
_MOST_SECONDS = 1e7


@registered
@dataclass(frozen=True)
class Majority:
    """The class that has more than half of the votes of the last windows; an event if it changes.

    A window votes for the class with the largest output, or for -1, "unknown", if that is below
    `threshold`. Without a majority, the class stays. It is -1 in the beginning. A decision's label
    is the class, its score the number of votes for it.
    """

    VERSION: ClassVar[int] = 1

    of: int = entry("Windows that vote.", default=1)
    hold_seconds: float = entry(
        "A class is kept for at least this time, rounded up to whole windows.", default=0.0
    )
    threshold: float | None = entry(
        "Probability below which a window is unknown, to the nearest step of the output; null to "
        "take any.",
        default=None,
    )

    def __post_init__(self) -> None:
        whole("Majority.of", self.of, 1, 1024)
        real("Majority.hold_seconds", self.hold_seconds, 0, _MOST_SECONDS)
        check_threshold("Majority.threshold", self.threshold)

    @property
    def delay(self) -> int:
        """Windows after the first one that another class takes to have most votes."""
        return self.of // 2

    def bind(self, source: Spec) -> MajorityBlock:
        expect("Majority", source, Form.FEATURES)
        expect_classes("Majority", source)
        edges = -128 - source.zero_point, 127 - source.zero_point
        threshold = edges[0]
        if self.threshold is not None:
            threshold, _ = thresholds("Majority", self.threshold, None, *edges, source.scale)
        hold = windows_of("Majority.hold_seconds", self.hold_seconds, source)
        return MajorityBlock(source, threshold, self.of, hold)


@dataclass(frozen=True)
class MajorityBlock:
    """The threshold in steps of the output above its zero point, and the time in windows."""

    source: Spec
    threshold: int
    of: int
    hold: int

    @property
    def out(self) -> Spec:
        return decision_spec(self.source)

    def start(self) -> State:
        """The arrays of lower().state."""
        return (
            np.full(self.of, _EMPTY, np.int16),
            np.zeros(1, np.uint32),
            np.zeros(self.source.size + 1, np.uint16),
            np.full(1, -1, np.int32),
            np.full(1, -1, np.int32),
            np.zeros(1, np.uint32),
        )

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        values = items.reshape(len(items), self.source.size).astype(np.int64)
        first = values.argmax(axis=1)
        known = values.max(axis=1) - self.source.zero_point >= self.threshold
        history, votes = state[0].copy(), state[2].copy()
        at, winner, label, hold = (int(state[i][0]) for i in (1, 3, 4, 5))
        found = np.zeros((len(items), 3), np.int32)
        for i, vote in enumerate(np.where(known, first, -1).tolist()):
            if history[at] != _EMPTY:
                votes[1 + history[at]] -= 1
            history[at] = vote
            at = (at + 1) % self.of
            votes[1 + vote] += 1
            if 2 * int(votes[1 + vote]) > self.of:
                winner = vote
            hold = max(hold - 1, 0)
            if hold == 0 and winner != label and 2 * int(votes[1 + winner]) > self.of:
                found[i, 0], label, hold = 1, winner, self.hold
            found[i, 1:] = label, votes[1 + label]
        return found, (
            history,
            np.array([at], np.uint32),
            votes,
            np.array([winner], np.int32),
            np.array([label], np.int32),
            np.array([hold], np.uint32),
        )

    def lower(self) -> SignalCall:
        return SignalCall(
            name="majority",
            header="majority.h",
            fields=(
                ("classes", self.source.size),
                ("zero_point", self.source.zero_point),
                ("threshold", self.threshold),
                ("of", self.of),
                ("hold", self.hold),
            ),
            state=(
                Memory("history", "int16_t", self.of, _EMPTY),
                Memory("at", "uint32_t", 1),
                Memory("votes", "uint16_t", self.source.size + 1),
                Memory("winner", "int32_t", 1, -1),
                Memory("label", "int32_t", 1, -1),
                Memory("hold", "uint32_t", 1),
            ),
        )
