"""Splits a store into training and test: by session or day, never by window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.near import one_of
from tflm_ext.signals.checks import real, whole
from tflm_ext.store.duplicates import duplicates
from tflm_ext.store.folder import Store
from tflm_ext.store.segment import Segment

_BY = ("session", "day")
_TRIES = 1000  # orders of sessions, of which the one nearest to the wanted share is taken


@dataclass(frozen=True)
class Split:
    """Two sides of a store.

    Attributes:
        train, test: segments by name; Store.labelled(segments=) makes recordings of them.
    """

    train: tuple[Segment, ...]
    test: tuple[Segment, ...]

    def __str__(self) -> str:
        """Seconds and groups of each class on each side."""
        lines = []
        for label in sorted({one.label for one in (*self.train, *self.test)}):
            seconds = [
                sum(one.seconds for one in side if one.label == label)
                for side in (self.train, self.test)
            ]
            lines.append(f"{label}: {seconds[0]:.2f} s to train, {seconds[1]:.2f} s to test")
        return "\n".join(lines)


def split(
    store: Store,
    test: float | Iterable[str] = 0.2,
    by: str = "session",
    *,
    seed: int = 0,
) -> Split:
    """Return a store in two sides that share no session, no day, and no sample.

    Windows of one recording are nearly equal, and so are recordings of one session: if some were
    used for training and others for the test, the test would tell how well the model remembers.

    Args:
        test: share of each class for the test, by length, from 0 to 1; or the names of the sessions
            or days for it.
        by: "session", or "day", the date of the recordings.
        seed: of the choice; the same seed makes the same choice.

    Raises:
        ConfigError: a class has only one session or day, the two sides would have samples in
            common, or a name is not known. Names what is wrong.
        StorageError: a file cannot be read.
    """
    one_of("by", by, _BY)
    segments = store.segments()
    if not segments:
        raise ConfigError("The store has no recordings to split.", "Record or import some first.")
    groups = [_group(one, by) for one in segments]
    _require_two(segments, groups, by)
    if isinstance(test, int | float) and not isinstance(test, bool):
        share = real("test", test, 0.01, 0.99)
        chosen = _chosen(segments, groups, share, whole("seed", seed, 0, 2**32 - 1))
    else:
        chosen = _given(test, groups, by)
    found = Split(
        tuple(one for one, own in zip(segments, groups, strict=True) if own not in chosen),
        tuple(one for one, own in zip(segments, groups, strict=True) if own in chosen),
    )
    require_apart(found, by)
    return found


def require_apart(found: Split, by: str = "session") -> None:
    """Require that two sides share no session (or day) and no samples, and have all classes.

    Raises:
        ConfigError: they do; names what they share.
        StorageError: a file cannot be read.
    """
    one_of("by", by, _BY)
    shared = {_group(one, by) for one in found.train} & {_group(one, by) for one in found.test}
    if shared:
        raise ConfigError(
            f"The {by} {min(shared)} is on both sides of the split.",
            f"Put all recordings of a {by} on one side.",
        )
    sides = {one.name: "train" for one in found.train} | {one.name: "test" for one in found.test}
    for one in duplicates((*found.train, *found.test)):
        if sides[one.first] != sides[one.second]:
            raise ConfigError(
                f"{one.first} and {one.second} have {one.samples:,} samples in common, but would "
                "be on different sides of the split.",
                "Remove one of them, or rename its session so that both belong to one.",
            )
    for side, others in ((found.train, found.test), (found.test, found.train)):
        missing = {one.label for one in others} - {one.label for one in side}
        if missing:
            raise ConfigError(
                f"The class {min(missing)!r} is only on one side of the split.",
                f"Choose the {by}s so that each class is on both sides.",
            )


def _group(segment: Segment, by: str) -> str:
    """Return the session or day of a segment."""
    if by == "session":
        return segment.session
    if not segment.day:
        raise ConfigError(
            f"The day of {segment.name} is not known.",
            'Split by="session", or write the time as "when" into its JSON.',
        )
    return segment.day


def _require_two(segments: Sequence[Segment], groups: Sequence[str], by: str) -> None:
    for label in sorted({one.label for one in segments}):
        own = {group for one, group in zip(segments, groups, strict=True) if one.label == label}
        if len(own) < 2:
            raise ConfigError(
                f"The class {label!r} has recordings of one {by} only, {min(own)}: it cannot be "
                "both trained and tested.",
                f"Record it again on another {'occasion' if by == 'session' else 'day'}.",
            )


def _given(test: object, groups: Sequence[str], by: str) -> set[str]:
    if isinstance(test, str | bytes) or not isinstance(test, Iterable):
        raise ConfigError(
            f"test={test!r:.60} is neither a share nor a list of {by}s.", "Pass 0.2, or a list."
        )
    chosen = {str(one) for one in test}
    unknown = sorted(chosen - set(groups))
    if unknown or not chosen:
        what = f"{unknown[0]!r:.80} is not known" if unknown else "there are none in test"
        raise ConfigError(
            f"Of the {by}s, {what}.", f"Choose from: {', '.join(sorted(set(groups))[:20])}."
        )
    return chosen


def _chosen(
    segments: Sequence[Segment], groups: Sequence[str], share: float, seed: int
) -> set[str]:
    """Return the sessions or days for the test.

    Of several random orders, the one is taken whose shares of all classes are nearest to the wanted
    one; a class is never completely on one side if any order avoids it.
    """
    random = np.random.default_rng(seed)
    names = sorted(set(groups))
    labels = sorted({one.label for one in segments})
    amounts = np.zeros((len(names), len(labels)))
    for one, group in zip(segments, groups, strict=True):
        amounts[names.index(group), labels.index(one.label)] += one.seconds
    total = amounts.sum(axis=0)
    best: tuple[float, list[int]] | None = None
    for _ in range(_TRIES):
        order = random.permutation(len(names))
        reached = np.cumsum(amounts[order], axis=0) / np.maximum(total, 1e-12)
        present = np.cumsum(amounts[order] > 0, axis=0)
        alone = ((present == 0) | (present == (amounts > 0).sum(axis=0))).sum(axis=1)
        costs = alone * 1000.0 + np.abs(reached - share).sum(axis=1)
        at = int(np.argmin(costs))
        if best is None or costs[at] < best[0] - 1e-9:
            best = (float(costs[at]), order[: at + 1].tolist())
    assert best is not None  # _TRIES is positive
    return {names[i] for i in best[1]}
