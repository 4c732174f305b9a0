"""Sets of test cases with all pairs of values of any two parameters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from allpairspy import AllPairs

Space: TypeAlias = Mapping[str, Sequence[Any]]
Case: TypeAlias = dict[str, Any]

# For these, `products` draws any number between the smallest and the largest in the space.
_SIZES = ("channels", "outputs", "depth")


def covering(space: Space) -> list[Case]:
    """A small pairwise covering set; the same on every machine."""
    return [dict(zip(space, values, strict=True)) for values in AllPairs(list(space.values()))]


def products(space: Space, count: int, draw: np.random.Generator) -> list[Case]:
    """Cases with independently drawn values."""

    def value(name: str) -> Any:
        values = space[name]
        if name in _SIZES and len(values) > 2:
            return int(draw.integers(min(values), max(values) + 1))
        return values[int(draw.integers(len(values)))]

    return [{name: value(name) for name in space} for _ in range(count)]


def missing(space: Space, cases: Sequence[Case]) -> set[tuple[str, Any, str, Any]]:
    """Return the pairs of values that no case has."""
    wanted = {
        (a, x, b, y)
        for a, b in itertools.combinations(space, 2)
        for x in space[a]
        for y in space[b]
    }
    found = {
        (a, case[a], b, case[b]) for case in cases for a, b in itertools.combinations(space, 2)
    }
    return wanted - found
