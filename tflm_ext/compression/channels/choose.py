"""How many channels of every group stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.compression.channels.graph import Group
from tflm_ext.compression.channels.importance import Scores

# What it costs to go down to every count of `counts`, not falling; the first is 0.
Costs: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


def counts(group: Group, multiple_of: int) -> list[int]:
    """How many sets of tied channels may stay, all of them first.

    Example:
        >>> counts(Group(np.arange(10), ("conv",), 1, (1,)), 4)
        [10, 8, 4]
    """
    whole, step = len(group.roots), group.step(multiple_of)
    return [whole, *reversed(range(step, whole, step))]


def ranked(group: Group, scores: Scores) -> Any:
    """The roots of a group, the least important first; equal ones in the order of the layer."""
    return group.roots[np.argsort(scores[group.roots], kind="stable")]


def costs_by_importance(group: Group, scores: Scores, allowed: Sequence[int]) -> Costs:
    """The importance of what goes; the fewer are left, the more each of them counts."""
    whole = len(group.roots)
    left = np.arange(whole, 0, -1) / whole
    lost = np.concatenate([[0.0], np.cumsum(np.sort(scores[group.roots]) / left)])
    return lost[[whole - count for count in allowed]] * group.weight


def choose(
    groups: Sequence[Group], allowed: Sequence[Sequence[int]], costs: Sequence[Costs], goal: float
) -> list[int]:
    """The counts to keep that cost least, step by step, with at most `goal` channels removed.

    Args:
        allowed: of every group what counts() gives.
        costs: of every group, one per allowed count.
        goal: in channels of the layers that make them.
    """
    at = [0] * len(groups)
    removed = 0
    while True:
        steps = []
        for g, group in enumerate(groups):
            if at[g] + 1 < len(allowed[g]):
                channels = (allowed[g][at[g]] - allowed[g][at[g] + 1]) * group.weight
                if removed + channels <= goal + 1e-9:
                    price = (costs[g][at[g] + 1] - costs[g][at[g]]) / channels
                    steps.append((price, g, channels))
        if not steps:
            return [allowed[g][i] for g, i in enumerate(at)]
        _, g, channels = min(steps)
        at[g] += 1
        removed += channels
