"""Which channels go and how many: NumPy alone, without any framework."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflm_ext.compression.channels.choose import (
    ChannelGoal,
    UsageGoal,
    choose,
    costs_by_importance,
    counts,
    ranked,
)
from tflm_ext.compression.channels.groups import (
    ChannelGraph,
    Effect,
    Group,
    Reason,
    Role,
    Slice,
    Untouched,
    Use,
    groups_of,
    untouched_of,
)
from tflm_ext.compression.channels.importance import batch_norm_scales, first_order, norms
from tflm_ext.compression.channels.report import Ended, PruningReport, Sizes
from tflm_ext.compression.channels.ties import Ties
from tflm_ext.compression.channels.usage import ACTIVATIONS, MACS, WEIGHTS, Usage
from tflm_ext.options import Budget


def group(
    roots: Any, *, layers: tuple[str, ...] = ("conv",), weight: int = 1, per: tuple[int, ...] = (1,)
) -> Group:
    return Group(np.asarray(roots), layers, weight, per)


# How many may stay


@pytest.mark.parametrize(
    ("size", "per", "multiple_of", "allowed"),
    [
        (10, (1,), 4, [10, 8, 4]),
        (8, (1,), 4, [8, 4]),
        (4, (1,), 4, [4]),
        (3, (1,), 4, [3]),
        (5, (1,), 1, [5, 4, 3, 2, 1]),
        (8, (2,), 4, [8, 6, 4, 2]),  # each set is two channels of an axis
        (8, (2, 1), 4, [8, 4]),
        (12, (3, 2), 4, [12, 8, 4]),
        (9, (1, 1), 3, [9, 6, 3]),
    ],
)
def test_counts(size: int, per: tuple[int, ...], multiple_of: int, allowed: list[int]) -> None:
    found = counts(group(range(size), per=per), multiple_of)
    assert found == allowed
    for kept in found[1:]:
        assert all(kept * times % multiple_of == 0 for times in per)


# Which go first


def test_the_least_important_channels_go_first() -> None:
    scores = np.array([9.0, 0.5, 7.0, 0.1, 0.5, 3.0])
    assert ranked(group([5, 4, 1, 3]), scores).tolist() == [3, 4, 1, 5]


def test_what_goes_costs_its_importance_and_more_the_less_is_left() -> None:
    scores = np.array([3.0, 1.0, 2.0, 4.0])
    costs = costs_by_importance(group(range(4), weight=2), scores, [4, 3, 2, 1])
    assert costs.tolist() == pytest.approx([0, 2 * 1, 2 * (1 + 2 / 0.75), 2 * (1 + 2 / 0.75 + 6)])
    assert costs_by_importance(group([3, 1]), scores, [2, 1]).tolist() == [0, 1]


# Where


def chosen(importance: list[list[float]], goal: float, multiple_of: int = 1) -> list[int]:
    """How many channels stay of groups with these scores."""
    ends = np.cumsum([0, *map(len, importance)])
    groups = [group(range(a, b)) for a, b in itertools.pairwise(ends)]
    scores = np.array([score for own in importance for score in own])
    allowed = [counts(g, multiple_of) for g in groups]
    costs = [costs_by_importance(g, scores, a) for g, a in zip(groups, allowed, strict=True)]
    whole = np.array([len(own) for own in importance])
    return choose(allowed, costs, ChannelGoal(whole, np.ones_like(whole), goal))


def test_channels_go_where_they_matter_least() -> None:
    low, high = [0.1] * 8, [5.0] * 8
    assert chosen([high, low], 4) == [8, 4]
    assert chosen([low, high], 4) == [4, 8]
    assert chosen([low, high, low], 7) in ([4, 8, 5], [5, 8, 4])
    assert chosen([low, high], 8, 4) == [4, 4]  # one group of four has to stay


def test_the_last_channels_of_a_group_go_late() -> None:
    """Each that goes makes those that are left more dear."""
    assert chosen([[1.0] * 4, [1.5] * 4], 3) == [2, 3]


def test_equal_groups_shrink_from_the_first() -> None:
    assert chosen([[1.0] * 4] * 3, 1) == [3, 4, 4]


def test_no_more_than_the_goal_and_nothing_for_none() -> None:
    assert chosen([[1.0] * 8], 0) == [8]
    assert chosen([[1.0] * 8], 3.9, 4) == [8]
    assert chosen([[1.0] * 8], 4, 4) == [4]
    assert chosen([[1.0] * 8, [1.0] * 8], 100, 4) == [4, 4]
    assert choose([], [], ChannelGoal(np.array([]), np.array([]), 9)) == []


@given(
    st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=4), min_size=1, max_size=3),
    st.integers(0, 9),
)
def test_no_choice_costs_less(importance: list[list[int]], goal: int) -> None:
    """Steps of one channel whose costs only grow: there the best steps make the best whole."""
    scores = [[float(score) for score in own] for own in importance]
    kept = chosen(scores, goal)
    sizes = [len(own) for own in scores]
    goal = min(goal, sum(sizes) - len(sizes))
    assert sum(sizes) - sum(kept) == goal

    def cost(choice: Any) -> float:
        return sum(
            costs_by_importance(group(range(len(own))), np.array(own), [len(own), n])[1]
            for own, n in zip(scores, choice, strict=True)
        )

    others = itertools.product(*(range(1, size + 1) for size in sizes))
    best = min(cost(other) for other in others if sum(sizes) - sum(other) == goal)
    assert cost(kept) == pytest.approx(best)


def test_a_set_of_tied_channels_counts_as_many_as_it_is() -> None:
    share = ChannelGoal(np.array([8, 8]), np.array([3, 1]), 6)
    assert share.removed(np.array([[8, 8], [7, 8], [7, 5]])).tolist() == [0, 3, 6]
    gains = share.gains(np.array([[8, 8]]), np.array([[7, 8], [6, 8], [5, 8], [8, 7]]))
    assert gains.tolist() == [3, 6, 0, 1]  # more than the goal is to be avoided
    assert not share.reached(np.array([[1, 1]]))


# What layers use


def conv(name: str, shape: tuple[int, ...], x: Any, out: Any, positions: float) -> Use:
    """A convolution with random weights and a bias."""
    rng = np.random.default_rng(len(name))
    weights = [rng.normal(size=shape), rng.normal(size=shape[-1:])]
    slices = (
        Slice(0, -1, out, Role.PRODUCES),
        Slice(0, -2, x, Role.CONSUMES),
        Slice(1, 0, out, Role.CARRIES),
    )
    return Use(SimpleNamespace(weights=weights), name, Effect(out, slices), positions)


def two_convolutions(*, tied: bool = False) -> ChannelGraph:
    """1 channel, 8, then 12, and the 12 are the output; or 8, 8 and 2 with the 8s added."""
    ties = Ties()
    x, a, b, c = ties.new(1), ties.new(8), ties.new(8 if tied else 12), ties.new(2)
    uses = [conv("first", (3, 3, 1, 8), x, a, 16), conv("second", (3, 3, 8, len(b)), a, b, 4)]
    last = b
    if tied:
        ties.tie(a, b)
        uses.append(conv("head", (1, 1, 8, 2), b, c, 1))
        last = c
    roots = ties.roots()
    blocked = {int(r): (Reason.OUTPUT, uses[-1].path) for r in roots[last]}
    blocked |= {int(r): (Reason.INPUT, "image") for r in roots[x]}
    return ChannelGraph(
        tuple(uses),
        roots,
        tuple(groups_of(uses, roots, blocked)),
        tuple(untouched_of(uses, roots, blocked)),
    )


def test_groups_are_of_channels_that_stand_alike() -> None:
    graph = two_convolutions()
    (only,) = graph.groups
    assert (only.layers, only.weight, only.counts) == (("first",), 1, (1, 1))
    assert len(only.roots) == 8
    assert graph.untouched == (Untouched("second", Reason.OUTPUT, "second"),)
    assert str(graph.untouched[0]) == f"second: {Reason.OUTPUT}"
    assert str(Untouched("a", Reason.SHARED, "b")) == f"a: {Reason.SHARED} (b)"


def test_tied_channels_are_one_set() -> None:
    graph = two_convolutions(tied=True)
    (only,) = graph.groups
    assert (only.layers, only.weight, only.counts) == (("first", "second"), 2, (1, 1, 1, 1))
    kept = graph.kept(only.roots[:3])
    assert kept.sum() == len(graph.roots) - 2 * 3
    assert [kept[use.produced].sum() for use in graph.uses] == [5, 5, 2]


def test_ties_join_what_is_joined_by_others() -> None:
    ties = Ties()
    a, b, c, one = ties.new(3), ties.new(3), ties.new(3), ties.new(1)
    ties.tie(a, b)
    ties.tie(c, b)
    roots = ties.roots()
    assert roots[a].tolist() == roots[b].tolist() == roots[c].tolist()
    assert len(set(roots.tolist())) == 4
    ties.tie(one, a)  # one channel with all of another tensor
    assert len(set(ties.roots().tolist())) == 1


def used(graph: ChannelGraph, *kept: int) -> list[float]:
    return Usage.of(graph)(np.array([kept]))[0].tolist()


def test_usage_is_that_of_the_smaller_layers() -> None:
    graph = two_convolutions()
    for n in (8, 5, 1):
        weights, macs, activations = used(graph, n)
        assert weights == 9 * n + 9 * n * 12
        assert macs == 16 * 9 * n + 4 * 9 * n * 12
        assert activations == 16 * n + 4 * 12
    for n in (8, 3):
        weights, macs, activations = used(two_convolutions(tied=True), n)
        assert weights == 9 * n + 9 * n * n + n * 2
        assert macs == 16 * 9 * n + 4 * 9 * n * n + n * 2
        assert activations == 16 * n + 4 * n + 2
    assert (WEIGHTS, MACS, ACTIVATIONS) == (0, 1, 2)


@pytest.mark.parametrize(("prunable", "share"), [(32, 0.75), (24, 1), (0, 0)])
def test_the_share_that_was_removed(prunable: int, share: float) -> None:
    report = PruningReport((), (), prunable, min(24, prunable), Ended.RATIO)
    assert report.removed_share == share


# Down to a budget

SIZES = Sizes(weight_bytes=1000, flash_bytes=1400, ram_bytes=600, macs=10_000)


@pytest.mark.parametrize(
    ("budget", "within"),
    [
        (Budget(), True),
        (Budget(weight_bytes=1000, flash_bytes=1400, ram_bytes=600, macs=10_000), True),
        (Budget(weight_bytes=999), False),
        (Budget(flash_bytes=1399), False),
        (Budget(ram_bytes=599), False),
        (Budget(macs=9_999), False),
        (Budget(macs=0), False),
        (Budget(macs=20_000, ram_bytes=0), False),
    ],
)
def test_sizes_are_within_a_budget(budget: Budget, within: bool) -> None:
    assert SIZES.within(budget) == within


def most(budget: Budget) -> list[float]:
    """What may be used, as a share of what the whole model uses."""
    graph = two_convolutions()
    limits = UsageGoal.of(graph, 4, budget, SIZES)
    return (limits.most / Usage.of(graph)(np.array([[8]]))[0]).tolist()


def test_limits_shrink_as_the_budget_wants() -> None:
    free = float("inf")
    assert most(Budget()) == [free, free, free]
    assert most(Budget(macs=2_500)) == pytest.approx([free, 0.25, free])
    assert most(Budget(ram_bytes=300)) == pytest.approx([free, free, 0.5])
    assert most(Budget(weight_bytes=800)) == pytest.approx([0.8, free, free])
    # 400 bytes of flash are code, which stays.
    assert most(Budget(flash_bytes=1_000)) == pytest.approx([0.6, free, free])
    for budget in (
        Budget(weight_bytes=800, flash_bytes=1_000),
        Budget(weight_bytes=600, flash_bytes=1_300),
    ):
        assert most(budget) == pytest.approx([0.6, free, free])


def test_limits_are_reached_when_they_hold_or_enough_is_gone() -> None:
    graph = two_convolutions()
    limits = UsageGoal.of(graph, 4, Budget(macs=7_500), SIZES)
    reached = [limits.reached(np.array([[n]])) for n in range(8, 2, -1)]
    assert reached == [False, False, True, True, True, True]  # 6 of 8 are 75%
    tight = UsageGoal.of(graph, 4, Budget(macs=0), SIZES)
    assert [tight.reached(np.array([[n]])) for n in (8, 5, 4, 3)] == [False, False, True, True]
    loose = UsageGoal.of(graph, 4, Budget(macs=10**9), SIZES)
    assert [loose.reached(np.array([[n]])) for n in (8, 7)] == [False, True]


def test_limits_gain_where_they_are_exceeded() -> None:
    graph = two_convolutions()
    limits = UsageGoal.of(graph, 4, Budget(macs=5_000), SIZES)
    gains = limits.gains(np.array([[8]]), np.array([[7], [6], [4], [2]]))
    assert gains.tolist() == pytest.approx([0.25, 0.5, 1, 1])  # beyond the limit nothing is gained
    # What no group changes is not reached by any: then fewer channels are the best guess.
    usage = Usage(np.array([[0.0, 7.0]]), ((), (), ()))
    stuck = UsageGoal(
        ChannelGoal(np.array([8]), np.array([3]), 99), usage, np.array([0.0, 0.0, 0.0])
    )
    assert stuck.gains(np.array([[8]]), np.array([[7], [6]])).tolist() == [3, 6]


# How much a channel matters


def test_norms_are_of_the_layers_that_make_a_channel() -> None:
    graph = two_convolutions()
    kernel = graph.uses[0].operation.weights[0]
    expected = np.sqrt(np.square(kernel).sum(axis=(0, 1, 2)))
    (only,) = graph.groups
    assert norms(graph)[only.roots] == pytest.approx(expected / expected.mean())


def test_tied_channels_have_the_mean_of_their_layers() -> None:
    graph = two_convolutions(tied=True)
    per_layer = []
    for use in graph.uses[:2]:
        norm = np.sqrt(np.square(use.operation.weights[0]).sum(axis=(0, 1, 2)))
        per_layer.append(norm / norm.mean())
    (only,) = graph.groups
    scores = norms(graph)
    assert scores[graph.uses[0].produced] == pytest.approx(np.mean(per_layer, axis=0))
    assert scores[graph.uses[0].produced] == pytest.approx(scores[graph.uses[1].produced])
    assert len(only.roots) == 8


def test_scales_of_batch_normalization_and_norms_elsewhere() -> None:
    graph = two_convolutions()
    channels = graph.uses[0].effect.output
    gamma = np.array([1.0, -2, 3, -4, 5, 6, 7, 8])
    layer = SimpleNamespace(weights=[gamma], gamma=gamma)
    normalized = Use(layer, "norm", Effect(channels, (Slice(0, 0, channels, Role.CARRIES),)))
    graph = ChannelGraph((*graph.uses, normalized), graph.roots, graph.groups, graph.untouched)
    scales = batch_norm_scales(graph)
    assert scales[channels] == pytest.approx(np.abs(gamma) / np.abs(gamma).mean())
    others = graph.uses[1].effect.output
    assert scales[others] == pytest.approx(norms(graph)[others])


def test_the_first_order_change_of_the_loss() -> None:
    graph = two_convolutions()
    layer = graph.uses[0].operation
    rng = np.random.default_rng(7)
    batches = [{id(w): rng.normal(size=w.shape) for w in layer.weights} for _ in range(3)]
    changes = [
        sum((w * batch[id(w)]).reshape(-1, 8).sum(axis=0) for w in layer.weights)
        for batch in batches
    ]
    expected = np.square(changes).mean(axis=0)
    scores = first_order(graph, batches)
    channels = graph.uses[0].effect.output
    assert scores[channels] == pytest.approx(expected / expected.mean())
    assert np.isnan(scores[graph.uses[1].effect.output]).all()  # nothing is known about it
