"""Removes channels once: decides which ones, and from which layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tflm_ext.compression.channels.choose import (
    Aim,
    choose,
    costs_by_importance,
    counts,
    ranked,
)
from tflm_ext.compression.channels.data import Sample
from tflm_ext.compression.channels.graph import read_channels
from tflm_ext.compression.channels.groups import ChannelGraph, Group
from tflm_ext.compression.channels.importance import (
    Importance,
    Scores,
    batch_norm_scales,
    first_order,
    norms,
)
from tflm_ext.compression.channels.rebuild import rebuild
from tflm_ext.compression.channels.sensitivity import Meter, gradients, sensitivity
from tflm_ext.compression.channels.tune import Objective

# The layer's importance on data multiplies its costs by 1/4 to 4. Without limits, layers that are
# hardly needed while the others are complete would become bottlenecks that training cannot undo.
_MOST = 4.0


@dataclass(frozen=True)
class Cutter:
    """Removes channels, once.

    Attributes:
        sample: None without data; then importance alone decides.
    """

    importance: Importance
    multiple_of: int
    sample: Sample | None
    objective: Objective | None

    def prunable(self, graph: ChannelGraph) -> int:
        """Return the number of channels in groups that have channels to spare."""
        return sum(group.weight * len(group.roots) for group in self.spare(graph))

    def spare(self, graph: ChannelGraph) -> list[Group]:
        """Return the groups that have channels to spare."""
        return [group for group in graph.groups if len(counts(group, self.multiple_of)) > 1]

    def smallest_step(self, graph: ChannelGraph) -> int:
        """Return the smallest number of channels that can be removed; 0 if none can."""
        steps = []
        for group in graph.groups:
            whole, *fewer = counts(group, self.multiple_of)
            steps += [group.weight * (whole - count) for count in fewer[:1]]
        return min(steps, default=0)

    def cut(self, model: Any, graph: ChannelGraph, aim: Aim) -> Any:
        """Return a new model without the channels with the lowest cost per gain."""
        own = duplicate(model, graph)  # measuring temporarily changes its weights
        graph = read_channels(own)
        scores = self._scores(own, graph)
        orders = [ranked(group, scores) for group in graph.groups]
        allowed = [counts(group, self.multiple_of) for group in graph.groups]
        costs = self._costs(own, graph, scores, orders, allowed)
        kept = choose(allowed, costs, aim)
        removed = [order[: len(order) - k] for order, k in zip(orders, kept, strict=True)]
        return rebuild(own, graph, graph.kept(np.concatenate(removed)))

    def _scores(self, model: Any, graph: ChannelGraph) -> Scores:
        if self.importance is Importance.NORM:
            return norms(graph)
        if self.importance is Importance.BATCH_NORM:
            return batch_norm_scales(graph)
        assert self.sample is not None  # prune_channels() checked this
        return first_order(graph, gradients(model, self.sample, self.objective))

    def _costs(
        self, model: Any, graph: ChannelGraph, scores: Scores, orders: list[Any], allowed: Any
    ) -> list[Any]:
        costs = [
            costs_by_importance(group, scores, steps)
            for group, steps in zip(graph.groups, allowed, strict=True)
        ]
        if self.sample is None:
            return costs
        meter = Meter(model, self.sample, self.objective)
        losses = np.zeros(len(costs))
        for i, (group, order) in enumerate(zip(graph.groups, orders, strict=True)):
            if len(allowed[i]) > 1:
                losses[i] = sensitivity(graph, order, allowed[i], meter) / group.weight
        mean = losses[[len(steps) > 1 for steps in allowed]].mean() or 1.0
        factors = np.clip(losses / mean, 1 / _MOST, _MOST)
        return [factor * cost for factor, cost in zip(factors, costs, strict=True)]


def duplicate(model: Any, graph: ChannelGraph) -> Any:
    """Return a copy of the model with its own layers, not compiled."""
    return rebuild(model, graph, graph.kept(np.empty(0, np.int64)))


def made(graph: ChannelGraph) -> int:
    """Return the number of channels that all layers produce."""
    return sum(len(use.produced) for use in graph.uses)
