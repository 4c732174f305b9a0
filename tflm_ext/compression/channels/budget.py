"""Prunes step by step until a budget is met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tflm_ext.compression.channels.choose import UsageGoal
from tflm_ext.compression.channels.cut import Cutter, duplicate, made
from tflm_ext.compression.channels.data import Sample
from tflm_ext.compression.channels.graph import read_channels
from tflm_ext.compression.channels.report import Ended, Round, Sizes
from tflm_ext.compression.channels.tune import Tuner
from tflm_ext.convert import convert
from tflm_ext.errors import ConfigError
from tflm_ext.options import Budget
from tflm_ext.plan.footprint import context_bytes
from tflm_ext.stages import Options, analyse
from tflm_ext.targets import Board

_STEP = 0.1  # share of the prunable channels that one round removes


@dataclass(frozen=True)
class Goal:
    """When to stop.

    Attributes:
        board: the model is planned for the core of this board.
        min_accuracy: minimum accuracy on the validation data; None for no minimum.
    """

    budget: Budget
    board: Board
    min_accuracy: float | None
    validation_data: Any

    def accuracy(self, tuner: Tuner, model: Any) -> float | None:
        """Return the model's accuracy; None if there is no minimum."""
        if self.min_accuracy is None:
            return None
        return tuner.accuracy(model, self.validation_data)

    def broken(self, accuracy: float | None) -> bool:
        """Whether an accuracy is too low; NaN is too low."""
        return accuracy is not None and not accuracy >= (self.min_accuracy or 0.0)


def prune_to_budget(
    model: Any,
    goal: Goal,
    cutter: Cutter,
    tuner: Tuner,
    data: Any,
    sample: Sample,
    say: Callable[[str], None],
) -> tuple[Any, Ended, tuple[Round, ...]]:
    """Prune a little, fine-tune and plan, until the budget is met or nothing can be removed.

    Returns:
        The last model that is accurate enough, why pruning ended, and all rounds.

    Raises:
        ConfigError: the original model is not accurate enough.
    """
    graph = read_channels(model)
    most = _STEP * cutter.prunable(graph)
    model = duplicate(model, graph)
    accuracy = goal.accuracy(tuner, model)
    if goal.broken(accuracy):
        raise ConfigError(
            f"The accuracy of model {model.name!r} is {accuracy:.4g} before any channel is "
            f"removed, less than min_accuracy={goal.min_accuracy:.4g}.",
            "Train it further, or lower min_accuracy.",
        )
    say("planning the original model")
    sizes = plan_sizes(model, sample, goal.board)
    rounds = [Round(0, accuracy, sizes)]
    while not sizes.within(goal.budget):
        graph = read_channels(model)
        least = cutter.smallest_step(graph)
        if not least:
            return model, Ended.EXHAUSTED, tuple(rounds)
        say(f"round {len(rounds)}: removing channels, fine-tuning")
        aim = UsageGoal.of(graph, max(least, most), goal.budget, sizes)
        smaller = cutter.cut(model, graph, aim)
        tuner.fit(smaller, data)
        accuracy = goal.accuracy(tuner, smaller)
        gone = rounds[-1].removed_channels + made(graph) - made(read_channels(smaller))
        if goal.broken(accuracy):
            rounds.append(Round(gone, accuracy, None))
            return model, Ended.ACCURACY, tuple(rounds)
        model = smaller
        say(f"round {len(rounds)}: planning")
        sizes = plan_sizes(model, sample, goal.board)
        rounds.append(Round(gone, accuracy, sizes))
    return model, Ended.BUDGET, tuple(rounds)


def plan_sizes(model: Any, sample: Sample, board: Board) -> Sizes:
    """Return the sizes of the int8 model, calibrated on the sample."""
    int8 = convert(model, sample.inputs, progress=lambda text: None).int8
    plan = analyse(int8, Options("pruned", board)).plan
    return Sizes(
        weight_bytes=plan.weight_bytes,
        flash_bytes=plan.weight_bytes + plan.code_bytes,
        ram_bytes=context_bytes(plan),
        macs=plan.macs,
    )
