"""Places buffers in the arena by their lifetimes; buffers may overlap where a kernel allows it.

The problem is dynamic storage allocation, which is NP-hard. First fit in several fixed orders,
followed by a bounded deterministic search, reaches the lower bound on typical networks.
(Method: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020.)
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

ALIGNMENT = 4
_TRIES = 400
# To place a buffer once, a search takes one step for it, and one for each buffer that is alive at
# the same time. This many steps take about a second; larger searches try fewer orders.
_STEPS = 2_100_000
_GAPS = 64  # gaps that are examined per buffer if there are too many buffers for a search
_FAR = 1 << 62


@dataclass(frozen=True, slots=True)
class Overlay:
    """Permission to overlap with a buffer that is read for the last time during the write.

    Attributes:
        key: of the other buffer.
        lead: minimum distance, in bytes, from this buffer's start to the other buffer's start; None
            if both must start at the same address.
    """

    key: object
    lead: int | None = None


@dataclass(frozen=True, slots=True)
class Buffer:
    """A tensor or scratch memory that needs bytes for some steps.

    Attributes:
        key: unique identifier.
        first: the step that writes it; -1 if it exists before the first step.
        last: the last step that reads it.
        overlays: buffers that it may overlap with although both are alive in step `first`.
    """

    key: object
    bytes: int
    first: int
    last: int
    overlays: tuple[Overlay, ...] = ()

    @property
    def size(self) -> int:
        """Size in bytes, rounded up so that the next buffer is aligned."""
        return aligned(self.bytes)


def alive_bytes(
    buffers: Iterable[Buffer], size: Callable[[Buffer], int] = lambda b: b.size
) -> list[int]:
    """Return the bytes alive at each step, from step -1 on; overlapping bytes count twice."""
    buffers = tuple(buffers)
    changes = [0] * (max((b.last for b in buffers), default=-1) + 3)
    for b in buffers:
        changes[b.first + 1] += size(b)
        changes[b.last + 2] -= size(b)
    return list(accumulate(changes[:-1]))


def lower_bound(buffers: Iterable[Buffer]) -> int:
    """Return the most bytes alive in any step, overlapping bytes counted once.

    No placement needs less.
    """
    buffers = tuple(buffers)
    by_key = {b.key: b for b in buffers}
    totals = alive_bytes(buffers)
    for b in buffers:
        met = (by_key.get(overlay.key) for overlay in b.overlays)
        alive = {o.key: o for o in met if o is not None and o.first <= b.first <= o.last}
        totals[b.first + 1] -= shared_bytes(b, alive)
    return max(totals, default=0)


def shared_bytes(buffer: Buffer, others: Mapping[object, Buffer]) -> int:
    """Return the most bytes that overlaps of a buffer with others can save.

    Of the buffers that must start at its address, only one can, because they may not overlap.
    """
    at_start, anywhere = 0, 0
    for overlay in buffer.overlays:
        other = others.get(overlay.key)
        if other is not None:
            behind = other.size + aligned(overlay.lead or 0)
            saved = max(0, buffer.size + other.size - max(buffer.size, behind))
            if overlay.lead is None:
                at_start = max(at_start, saved)
            else:
                anywhere += saved
    return min(buffer.size, at_start + anywhere)


def aligned(size: int) -> int:
    """Round up to a multiple of ALIGNMENT."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _overlay(a: Buffer, b: Buffer) -> Overlay | None:
    """Return how `a` may overlap with `b`, which is read for the last time while `a` is written."""
    if b.last != a.first:
        return None
    return next((overlay for overlay in a.overlays if overlay.key == b.key), None)


def _may_overlay(a: Buffer, at: int, b: Buffer, bt: int) -> bool:
    """Whether two buffers that are alive in the same step may overlap at these addresses."""
    for (upper, upper_at), (lower, lower_at) in (((a, at), (b, bt)), ((b, bt), (a, at))):
        overlay = _overlay(upper, lower)
        if overlay is not None:
            if overlay.lead is None:
                return upper_at == lower_at
            return lower_at - upper_at >= overlay.lead
    return False


@dataclass(frozen=True, slots=True)
class _Rivals:
    """Which buffers are alive at the same time; buffers are given by their indices in a list.

    Attributes:
        apart: for each buffer, the buffers that it must not overlap with.
        overlaid: for each buffer, the buffers that it may overlap with, each with the smallest and
            the largest distance from the other's start to its own at which the two may overlap.
    """

    apart: tuple[list[int], ...]
    overlaid: tuple[list[tuple[int, int, int]], ...]

    @classmethod
    def of(cls, buffers: Sequence[Buffer]) -> _Rivals:
        """Find all rivals, in time proportional to their number."""
        places = {b.key: i for i, b in enumerate(buffers)}
        distances: dict[tuple[int, int], tuple[int, int]] = {}
        for i, b in enumerate(buffers):
            for j in (places[overlay.key] for overlay in b.overlays if overlay.key in places):
                overlay = _overlay(b, buffers[j])
                if overlay is not None and (i, j) not in distances:
                    low, high = (0, 0)
                    if overlay.lead is not None:
                        low, high = -_FAR, -aligned(overlay.lead)
                    distances[i, j], distances[j, i] = (low, high), (-high, -low)
        found = cls(*(tuple([] for _ in buffers) for _ in range(2)))
        alive: list[int] = []
        for i in sorted(range(len(buffers)), key=lambda i: buffers[i].first):
            alive = [j for j in alive if buffers[j].last >= buffers[i].first]
            for j in alive:
                if (i, j) not in distances:
                    found.apart[i].append(j)
                    found.apart[j].append(i)
            alive.append(i)
        for (i, j), (low, high) in distances.items():
            found.overlaid[i].append((j, low, high))
        return found


def alive_pairs(buffers: Sequence[Buffer]) -> int:
    """Count the pairs of buffers that are alive at the same time."""
    lasts = sorted(b.last for b in buffers)
    firsts = sorted(b.first for b in buffers)
    return sum(i - bisect_left(lasts, first) for i, first in enumerate(firsts))


def _first_fit(order: Sequence[int], sizes: Sequence[int], rivals: _Rivals) -> list[int]:
    """Place buffers in this order, each as low as the buffers placed before allow."""
    offsets = [-1] * len(sizes)
    for i in order:
        size = sizes[i]
        # It must not start between these two offsets.
        closed = [(at - size, at + sizes[j]) for j in rivals.apart[i] if (at := offsets[j]) >= 0]
        for j, low, high in rivals.overlaid[i]:
            if (at := offsets[j]) >= 0:
                closed.append((at - size, at + min(low, sizes[j])))
                closed.append((at + max(high, -size), at + sizes[j]))
        closed.sort()
        offset = 0
        for low, high in closed:
            if low >= offset:
                break
            offset = max(offset, high)
        offsets[i] = offset
    return offsets


def _by_time(buffers: Sequence[Buffer]) -> list[int]:
    """Place very many buffers: each in one of the first gaps, or at the end; without overlaps."""
    offsets = [0] * len(buffers)
    gaps: list[tuple[int, int]] = []  # (start, stop), sorted, not adjacent
    end = 0
    alive: list[tuple[int, int]] = []
    for i in sorted(range(len(buffers)), key=lambda i: buffers[i].first):
        buffer = buffers[i]
        while alive and alive[0][0] < buffer.first:
            _, dead = heapq.heappop(alive)
            _add_gap(gaps, offsets[dead], offsets[dead] + buffers[dead].size)
        heapq.heappush(alive, (buffer.last, i))
        for g, (start, stop) in enumerate(gaps[:_GAPS]):
            if stop - start >= buffer.size:
                offsets[i] = start
                gaps[g : g + 1] = (
                    [(start + buffer.size, stop)] if stop > start + buffer.size else []
                )
                break
        else:
            offsets[i], end = end, end + buffer.size
    return offsets


def _add_gap(gaps: list[tuple[int, int]], start: int, stop: int) -> None:
    """Add a gap, and merge it with adjacent ones."""
    g = bisect_left(gaps, (start, stop))
    if g < len(gaps) and gaps[g][0] == stop:
        stop = gaps.pop(g)[1]
    if g > 0 and gaps[g - 1][1] == start:
        g -= 1
        start = gaps.pop(g)[0]
    gaps.insert(g, (start, stop))


def arena_size(buffers: Iterable[Buffer], offsets: dict[object, int]) -> int:
    """Return the bytes from the start of the arena to the end of the last buffer."""
    return max((offsets[b.key] + b.size for b in buffers), default=0)


def place(buffers: Sequence[Buffer], tries: int = _TRIES) -> dict[object, int]:
    """Return offsets for all buffers: multiples of ALIGNMENT, in the smallest arena found.

    The same buffers give the same offsets on every machine.

    Args:
        tries: limit of the search; use fewer for a quick estimate.
    """
    keys = [b.key for b in buffers]
    steps = alive_pairs(buffers) + len(buffers)
    if steps > _STEPS:
        return dict(zip(keys, _by_time(buffers), strict=True))
    rivals, sizes = _Rivals.of(buffers), [b.size for b in buffers]

    def placed(order: Sequence[int]) -> tuple[int, list[int]]:
        offsets = _first_fit(order, sizes, rivals)
        return max(map(int.__add__, offsets, sizes), default=0), offsets

    spans = [b.last - b.first for b in buffers]
    firsts = [b.first for b in buffers]
    ranks: list[Callable[[int], object]] = [
        lambda i: -sizes[i],
        lambda i: (firsts[i], -sizes[i]),
        lambda i: (-firsts[i], -sizes[i]),
        lambda i: (-spans[i], -sizes[i]),
        lambda i: -sizes[i] * (spans[i] + 1),
    ]
    bound = lower_bound(buffers)
    best_order: list[int] = []
    best_size, best = -1, [0]
    for rank in ranks[: _STEPS // max(steps, 1)]:
        order = sorted(range(len(buffers)), key=rank)  # type: ignore[arg-type]
        size, offsets = placed(order)
        if best_size < 0 or size < best_size:
            best_size, best, best_order = size, offsets, order
    generator = random.Random(0)  # noqa: S311 - a reproducible search, no secret
    for _ in range(min(tries, _STEPS // steps) if len(buffers) > 2 else 0):
        if best_size == bound:
            break
        order = list(best_order)
        i, j = generator.sample(range(len(order)), 2)
        order[i], order[j] = order[j], order[i]
        size, offsets = placed(order)
        if size <= best_size:
            best_size, best, best_order = size, offsets, order
    return dict(zip(keys, best, strict=True))


def check_placement(buffers: Sequence[Buffer], offsets: dict[object, int]) -> str | None:
    """Describe a rule that a placement breaks, None if it is valid; independent of the search."""
    for b in buffers:
        if offsets[b.key] < 0 or offsets[b.key] % ALIGNMENT:
            return f"{b.key} is at offset {offsets[b.key]}, which is negative or not aligned"
    order = sorted(buffers, key=lambda b: offsets[b.key])
    starts = np.array([offsets[b.key] for b in order], np.int64)
    ends = starts + np.array([b.bytes for b in order], np.int64)
    firsts = np.array([b.first for b in order], np.int64)
    lasts = np.array([b.last for b in order], np.int64)
    # Compare each buffer with those that start inside it.
    stops = np.searchsorted(starts, ends).tolist()
    for i, a in enumerate(order):
        later = slice(i + 1, stops[i])
        together = (firsts[later] <= a.last) & (a.first <= lasts[later])
        for b in (order[i + 1 + j] for j in np.flatnonzero(together).tolist()):
            if not _may_overlay(a, offsets[a.key], b, offsets[b.key]):
                return f"{a.key} and {b.key} overlap while both are needed"
    return None
