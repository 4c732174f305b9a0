"""Finds the same samples in two places: within a recording, or in two of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tflm_ext.document import Count, entry
from tflm_ext.signals.stage import Array
from tflm_ext.store.segment import Segment

WINDOW = 64
"""Samples that must be equal: fewer can be equal by chance, in a quiet room."""
_EVERY = 16
"""Of the hashes, one in this many is kept, chosen by its value, so that copies keep the same."""
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
_MIX = 0xBF58476D1CE4E5B9
_CHANGES = 16
"""Samples of a window that must differ from the one before: a still sensor repeats itself."""
_BLOCK = 1 << 20  # windows that are hashed at once
_MOST_PAIRS = 1000


@dataclass(frozen=True)
class Duplicate:
    """Two places with the same samples."""

    first: str = entry("Name of a segment.")
    second: str = entry("Name of the segment with the same samples; it can be the same one.")
    first_sample: Count = entry("Where they begin in the first one.")
    second_sample: Count = entry("Where they begin in the second one.")
    samples: Count = entry("How many are equal.")


def duplicates(segments: Sequence[Segment]) -> tuple[Duplicate, ...]:
    """Return which segments have samples in common: for each pair, one stretch.

    Stretches shorter than WINDOW samples, and those in which little changes, count only if two
    segments are equal from beginning to end.

    Raises:
        StorageError: a file cannot be read.
    """
    hashes, places, owners = [], [], []
    found: dict[tuple[int, int], Duplicate] = {}
    whole: dict[bytes, int] = {}
    for number, segment in enumerate(segments):
        samples = segment.read()
        own, at = _kept(samples)
        hashes.append(own)
        places.append(at)
        owners.append(np.full(len(own), number, np.int64))
        if len(samples) and (samples != samples[0]).any():
            twin = whole.setdefault(hashlib.sha256(samples.tobytes()).digest(), number)
            if twin != number and samples.shape == segments[twin].read().shape:
                names = (segments[twin].name, segment.name)
                found[twin, number] = Duplicate(*names, 0, 0, len(samples))
    if not hashes:
        return ()
    every, at, owner = map(np.concatenate, (hashes, places, owners))
    order = np.lexsort((at, owner, every))
    every, at, owner = every[order], at[order], owner[order]
    same = np.flatnonzero(every[1:] == every[:-1])
    for i in same.tolist():
        pair = (int(owner[i]), int(owner[i + 1]))
        if pair in found or len(found) >= _MOST_PAIRS:
            continue
        one = _extended(segments[pair[0]], segments[pair[1]], int(at[i]), int(at[i + 1]))
        if one is not None:
            found[pair] = one
    return tuple(found[pair] for pair in sorted(found))


def _kept(samples: Array) -> tuple[Array, Array]:
    """Return hashes of windows of a recording, and where these begin."""
    hashes, places = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for start in range(0, max(len(samples) - WINDOW + 1, 0), _BLOCK):
        own, at = _hashed(samples[start : start + _BLOCK + WINDOW - 1])
        hashes.append(own)
        places.append(at + start)
    return np.concatenate(hashes), np.concatenate(places)


def _hashed(samples: Array) -> tuple[Array, Array]:
    """Return the hashes of windows that are kept, of at least WINDOW samples."""
    count = len(samples) - WINDOW + 1
    with np.errstate(over="ignore"):
        rows = _rows(samples)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(rows * _powers(_BASE, len(rows)))])
        # A window is a polynomial; divided by the power of its place, it is the same everywhere.
        found = (sums[WINDOW:] - sums[:-WINDOW]) * _powers(pow(_BASE, -1, 1 << 64), count)
        found = (found ^ (found >> np.uint64(31))) * np.uint64(_MIX)
    changes = np.concatenate([[0], np.cumsum((samples[1:] != samples[:-1]).any(axis=1))])
    moves = changes[WINDOW - 1 :] - changes[:count] >= _CHANGES
    at = np.flatnonzero(((found >> np.uint64(32)) % np.uint64(_EVERY) == 0) & moves)
    return found[at], at


def _powers(base: int, count: int) -> Array:
    found = np.full(count, base, np.uint64)
    found[0] = 1
    return np.cumprod(found, dtype=np.uint64)


def _rows(samples: Array) -> Array:
    """Return a number for the values of all channels of each sample."""
    found = np.zeros(len(samples), np.uint64)
    for channel in range(samples.shape[1]):
        found = found * np.uint64(_MIX) + samples[:, channel].astype(np.uint16) + np.uint64(1)
        found ^= found >> np.uint64(29)
    return found


def _extended(first: Segment, second: Segment, i: int, j: int) -> Duplicate | None:
    """Return the whole stretch around two equal windows; None if only their hashes are equal."""
    one, other = first.read(), second.read()
    if not np.array_equal(one[i : i + WINDOW], other[j : j + WINDOW]):
        return None
    before = _equal(one[:i][::-1], other[:j][::-1])
    after = _equal(one[i:], other[j:])
    return Duplicate(first.name, second.name, i - before, j - before, before + after)


def _equal(one: Array, other: Array) -> int:
    """Return how many samples at the beginning are equal."""
    length = min(len(one), len(other))
    differ = (one[:length] != other[:length]).any(axis=1)
    return int(np.argmax(differ)) if differ.any() else length


def names_of(found: Iterable[Duplicate]) -> set[frozenset[str]]:
    """Return the pairs of different segments with equal samples."""
    return {frozenset((one.first, one.second)) for one in found if one.first != one.second}
