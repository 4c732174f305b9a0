"""Where buffers lie: offline placement by lifetime, with overlays where a kernel allows them.

The problem is dynamic storage allocation, which is NP-hard; first fit over several fixed orders,
followed by a bounded deterministic search, reaches the lower bound on the nets of the field.
(Method: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020.)
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 4
_TRIES = 400
_TRIED_PAIRS = 4_000_000  # of buffers; so that thousands of operators do not take minutes


@dataclass(frozen=True, slots=True)
class Overlay:
    """That a buffer may share bytes with one that is read for the last time as it is written.

    Attributes:
        key: of the other buffer.
        lead: how many bytes before the other's start it must lie at least; None if it may share
            bytes only where both start at the same address.
    """

    key: object
    lead: int | None = None


@dataclass(frozen=True, slots=True)
class Buffer:
    """Something that needs bytes for a while.

    Attributes:
        key: what it is, unique.
        first: step at which it is written; -1 is before the first step.
        last: last step at which it is read.
        overlays: what it may share bytes with although both live in step `first`.
    """

    key: object
    bytes: int
    first: int
    last: int
    overlays: tuple[Overlay, ...] = ()

    @property
    def size(self) -> int:
        """Bytes, rounded up so that the next buffer is aligned."""
        return aligned(self.bytes)


def lower_bound(buffers: Iterable[Buffer]) -> int:
    """No placement needs less: the most bytes alive in one step, overlays counted once."""
    buffers = tuple(buffers)
    best = 0
    for step in range(-1, max((b.last for b in buffers), default=-1) + 1):
        alive = {b.key: b for b in buffers if b.first <= step <= b.last}
        total = sum(b.size for b in alive.values())
        for b in alive.values():
            if b.first == step:
                total -= shared_bytes(b, alive)
        best = max(best, total)
    return best


def _conflict(a: Buffer, b: Buffer) -> bool:
    return a.first <= b.last and b.first <= a.last


def shared_bytes(buffer: Buffer, others: Mapping[object, Buffer]) -> int:
    """The most bytes that overlays of a buffer with others save.

    Of those that must start where it starts only one can, for they are apart from each other.
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
    """Rounded up so that what follows is aligned."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _overlay(a: Buffer, b: Buffer) -> Overlay | None:
    """How `a`, which is written while `b` is read for the last time, may share bytes with it."""
    if b.last != a.first:
        return None
    return next((overlay for overlay in a.overlays if overlay.key == b.key), None)


def _may_overlay(a: Buffer, at: int, b: Buffer, bt: int) -> bool:
    """Whether two buffers that meet in one step may lie at these addresses and share bytes."""
    for (upper, upper_at), (lower, lower_at) in (((a, at), (b, bt)), ((b, bt), (a, at))):
        overlay = _overlay(upper, lower)
        if overlay is not None:
            if overlay.lead is None:
                return upper_at == lower_at
            return lower_at - upper_at >= overlay.lead
    return False


def _first_fit(order: Sequence[Buffer]) -> dict[object, int]:
    placed: list[tuple[int, Buffer]] = []
    for buffer in order:
        rivals = [(at, other) for at, other in placed if _conflict(buffer, other)]

        def fits(
            offset: int, buffer: Buffer = buffer, rivals: Sequence[tuple[int, Buffer]] = rivals
        ) -> bool:
            return all(
                offset + buffer.size <= at
                or at + other.size <= offset
                or _may_overlay(buffer, offset, other, at)
                for at, other in rivals
            )

        candidates = {0}
        for at, other in rivals:
            candidates.add(at + other.size)
            candidates.add(at)
            before, behind = _overlay(buffer, other), _overlay(other, buffer)
            if before is not None and before.lead:
                candidates.add(at - aligned(before.lead))
            if behind is not None and behind.lead:
                candidates.add(at + aligned(behind.lead))
        placed.append((min(c for c in candidates if c >= 0 and fits(c)), buffer))
    return {buffer.key: at for at, buffer in placed}


def arena_size(buffers: Iterable[Buffer], offsets: dict[object, int]) -> int:
    """Bytes from the start of the arena to the end of the last buffer."""
    return max((offsets[b.key] + b.size for b in buffers), default=0)


def place(buffers: Sequence[Buffer], tries: int = _TRIES) -> dict[object, int]:
    """Offsets of all buffers: multiples of ALIGNMENT, as tight as the search finds.

    The same buffers give the same offsets, on every machine.

    Args:
        tries: of the search; fewer to learn sooner what a placement may look like.
    """
    orders = [
        sorted(buffers, key=lambda b: -b.size),
        sorted(buffers, key=lambda b: (b.first, -b.size)),
        sorted(buffers, key=lambda b: (-b.first, -b.size)),
        sorted(buffers, key=lambda b: (-(b.last - b.first), -b.size)),
        sorted(buffers, key=lambda b: -b.size * (b.last - b.first + 1)),
    ]
    bound = lower_bound(buffers)
    best: dict[object, int] = {}
    best_size = -1
    best_order: list[Buffer] = []
    for order in orders:
        offsets = _first_fit(order)
        size = arena_size(buffers, offsets)
        if best_size < 0 or size < best_size:
            best, best_size, best_order = offsets, size, list(order)
    generator = random.Random(0)  # noqa: S311 - a reproducible search, no secret
    tries = min(tries, _TRIED_PAIRS // len(buffers) ** 2) if len(buffers) > 2 else 0
    for _ in range(tries):
        if best_size == bound:
            break
        order = list(best_order)
        i, j = generator.sample(range(len(order)), 2)
        order[i], order[j] = order[j], order[i]
        offsets = _first_fit(order)
        size = arena_size(buffers, offsets)
        if size <= best_size:
            best, best_size, best_order = offsets, size, order
    return best


def check_placement(buffers: Sequence[Buffer], offsets: dict[object, int]) -> str | None:
    """The first rule that a placement breaks, None if it is right; independent of the search."""
    for i, a in enumerate(buffers):
        at = offsets[a.key]
        if at < 0 or at % ALIGNMENT:
            return f"{a.key} lies at {at}"
        for b in buffers[i + 1 :]:
            bt = offsets[b.key]
            apart = at + a.bytes <= bt or bt + b.bytes <= at
            if not apart and _conflict(a, b) and not _may_overlay(a, at, b, bt):
                return f"{a.key} and {b.key} share bytes while both are needed"
    return None
