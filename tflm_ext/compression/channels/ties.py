"""Finds channels of a model that must be removed together: a union-find over channels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

# Numbers of channels, one per position of an axis; a channel may occur at several positions.
Channels: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


class Ties:
    """Channels by number, and which of them are kept or removed together."""

    def __init__(self) -> None:
        self._parent: list[int] = []

    def new(self, count: int) -> Channels:
        """Return new channels, which are not tied yet."""
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def tie(self, a: Channels, b: Channels) -> None:
        """Tie channels position by position; both have the same length, or one has length 1."""
        for i, j in np.unique(np.stack(np.broadcast_arrays(a, b), axis=1), axis=0).tolist():
            self._parent[self._find(i)] = self._find(j)

    def roots(self) -> Channels:
        """Map every channel to the representative of all channels tied to it."""
        return np.array([self._find(i) for i in range(len(self._parent))], dtype=np.int64)

    def _find(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i
