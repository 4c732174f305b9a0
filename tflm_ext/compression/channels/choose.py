"""How many channels of every group stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from tflm_ext.compression.channels.groups import ChannelGraph, Group
from tflm_ext.compression.channels.importance import Scores
from tflm_ext.compression.channels.report import Sizes
from tflm_ext.compression.channels.usage import (
    ACTIVATIONS,
    MACS,
    WEIGHTS,
    Choices,
    Floats,
    Usage,
)
from tflm_ext.options import Budget

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


class Aim(Protocol):
    """What channels are removed for, and how far."""

    def gains(self, kept: Choices, choices: Choices) -> Floats:
        """(n,) how much nearer every choice comes than (1, groups) `kept`; 0 for those to avoid."""

    def reached(self, kept: Choices) -> bool:
        """Whether it is enough."""


@dataclass(frozen=True)
class ChannelGoal:
    """At most this many channels.

    Attributes:
        whole: (groups,) sets of channels there are.
        weights: (groups,) channels of the layers that make them, per set.
        goal: channels to remove at most.
    """

    whole: Choices
    weights: Choices
    goal: float

    @classmethod
    def of(cls, graph: ChannelGraph, goal: float) -> ChannelGoal:
        """At most this many channels of a model."""
        groups = graph.groups
        return cls(
            np.array([len(group.roots) for group in groups]),
            np.array([group.weight for group in groups]),
            goal,
        )

    def removed(self, kept: Choices) -> Floats:
        """(n,) channels that are gone."""
        return np.asarray((self.whole - kept) @ self.weights, np.float64)

    def gains(self, kept: Choices, choices: Choices) -> Floats:
        removed = self.removed(choices)
        return np.where(removed <= self.goal + 1e-9, removed - self.removed(kept), 0)

    def reached(self, kept: Choices) -> bool:
        return False  # as long as anything fits


@dataclass(frozen=True)
class UsageGoal:
    """What the layers use down to some limits, with about this many channels at once.

    Attributes:
        channels: how many channels, and of what.
        most: (3,) what may be used of what Usage counts; inf where there is no limit.
    """

    channels: ChannelGoal
    usage: Usage
    most: Floats

    @classmethod
    def of(cls, graph: ChannelGraph, channels: float, budget: Budget, sizes: Sizes) -> UsageGoal:
        """For the budget to hold, if what the plan needs grows and shrinks as Usage does.

        Args:
            channels: to remove at once, about.
            sizes: what the whole model needs.
        """
        code = sizes.flash_bytes - sizes.weight_bytes
        weights = None if budget.flash_bytes is None else budget.flash_bytes - code
        rows = (
            (WEIGHTS, budget.weight_bytes, sizes.weight_bytes),
            (WEIGHTS, weights, sizes.weight_bytes),
            (MACS, budget.macs, sizes.macs),
            (ACTIVATIONS, budget.ram_bytes, sizes.ram_bytes),
        )
        goal, usage = ChannelGoal.of(graph, channels), Usage.of(graph)
        most = np.full(3, np.inf)
        (now,) = usage(goal.whole[np.newaxis])
        for what, limit, needed in rows:
            if limit is not None:
                most[what] = min(most[what], now[what] * limit / max(needed, 1))
        return cls(goal, usage, most)

    def gains(self, kept: Choices, choices: Choices) -> Floats:
        now = self.usage(kept)
        over = np.maximum(now - self.most, 0)
        used = np.minimum(now - self.usage(choices), over)
        gains = np.divide(used, over, out=np.zeros_like(used), where=over > 0).sum(axis=1)
        if gains.max(initial=0) > 0:
            return gains
        # What is limited hangs on something else: fewer channels are the best guess.
        return self.channels.removed(choices) - self.channels.removed(kept)

    def reached(self, kept: Choices) -> bool:
        if self.channels.removed(kept)[0] >= self.channels.goal:
            return True
        moved = bool((kept != self.channels.whole).any())
        return moved and bool((self.usage(kept) <= self.most).all())


def choose(allowed: Sequence[Sequence[int]], costs: Sequence[Costs], aim: Aim) -> list[int]:
    """The counts to keep, found step by step: what costs least for what it gains goes first.

    Args:
        allowed: of every group what counts() gives.
        costs: of every group, one per allowed count.
    """
    at = [0] * len(allowed)
    while True:
        kept = np.array([[steps[i] for steps, i in zip(allowed, at, strict=True)]])
        movable = [g for g, i in enumerate(at) if i + 1 < len(allowed[g])]
        if not movable or aim.reached(kept):
            break
        choices = np.repeat(kept, len(movable), axis=0)
        choices[range(len(movable)), movable] = [allowed[g][at[g] + 1] for g in movable]
        gains = aim.gains(kept, choices)
        prices = [
            ((costs[g][at[g] + 1] - costs[g][at[g]]) / gain, g)
            for g, gain in zip(movable, gains, strict=True)
            if gain > 0
        ]
        if not prices:
            break
        at[min(prices)[1]] += 1
    return kept[0].tolist()
