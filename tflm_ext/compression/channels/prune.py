"""prune_channels(): a smaller model of the same kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any

from tflm_ext.compression.arguments import is_number, is_whole
from tflm_ext.compression.channels.budget import Goal, prune_to_budget
from tflm_ext.compression.channels.choose import ChannelGoal
from tflm_ext.compression.channels.cut import Cutter, duplicate, made
from tflm_ext.compression.channels.data import take_sample
from tflm_ext.compression.channels.graph import read_channels
from tflm_ext.compression.channels.groups import ChannelGraph, Reason, Untouched
from tflm_ext.compression.channels.importance import Importance
from tflm_ext.compression.channels.report import Ended, PrunedLayer, PruningReport, Round
from tflm_ext.compression.channels.tune import Tuner, fresh_optimizer, objective_of
from tflm_ext.compression.checks import check_weights
from tflm_ext.convert import one_child
from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.near import one_of
from tflm_ext.options import DEFAULT_BOARD, Budget, as_budget, as_progress
from tflm_ext.targets import board as find_board

_EPOCHS = 3  # of fine-tuning after every round towards a budget
_SHOWN = 5  # layers in an error


def prune_channels(
    model: Any,
    *,
    ratio: float | None = None,
    budget: Budget | Mapping[str, int] | None = None,
    board: str | None = DEFAULT_BOARD,
    data: Any = None,
    validation_data: Any = None,
    importance: str = "norm",
    multiple_of: int = 4,
    min_accuracy: float | None = None,
    fine_tune_epochs: int | None = None,
    loss: Any = None,
    optimizer: Any = None,
    metrics: Any = None,
    seed: int = 0,
    report: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Any:
    """Remove channels from convolutions and Dense layers: fewer weights, less RAM, less time.

    Try this first, because every runtime and every device benefits from it. It costs accuracy,
    most of which a few epochs of training recover; a model that is already small has little to
    spare.

    Channels that meet in an Add, a Multiply or a similar layer are removed together, as are those
    of depthwise and grouped convolutions. `importance` determines which channels of a layer to
    remove. Which layers lose channels is determined by measurements on `data` or, without data,
    also by `importance`. The rate of a Dropout is reduced along with its channels, as in Han et
    al., 2015.

    Args:
        model: a Keras 3 model: Sequential, functional or nested. It is not changed.
        ratio: fraction of all prunable channels to remove, over the whole model; 0 <= ratio < 1.
        budget: instead of a ratio: repeatedly remove a tenth of the channels, fine-tune, and plan
            the int8 model, until it fits or accuracy would fall below min_accuracy.
        board: target board for a budget; see `tflm-ext boards`.
        data: training data, x or (x, y), or a Dataset or PyDataset of these. A budget and
            fine-tuning need targets.
        validation_data: likewise (x, y); required for min_accuracy.
        importance: "norm" of the weights (after Li et al., 2017), "batchnorm" scale (Liu et al.,
            2017), or "taylor" (Molchanov et al., 2017 and 2019): first-order change of the loss,
            which needs data with targets.
        multiple_of: round the number of remaining channels up to a multiple of this, and never
            leave fewer.
        min_accuracy: with a budget, the lowest allowed value of the first metric on
            validation_data.
        fine_tune_epochs: epochs after every removal; by default 3 with a budget and 0 with a ratio.
        loss: by default that of the compiled model.
        optimizer: for fine-tuning; by default a new one like that of the compiled model, or Adam.
        metrics: for min_accuracy; by default accuracy.
        seed: of fine-tuning; sets Keras' global seed.
        report: also return a PruningReport.
        progress: function to call with a short text at the start of each step.

    Returns:
        A new keras.Model, not compiled, with the old layer names; with report=True, (model,
        PruningReport). A warning says if a ratio or a budget is not reached.

    Raises:
        ConfigError: an argument cannot be used, or the data does not match the model.
        UnsupportedModelError: the model cannot be followed or rebuilt, or none of its layers can
            lose a channel.

    Example:
        small = tflm_ext.prune_channels(model, ratio=0.5, data=(x_train, y_train))
        small.compile("adam", "sparse_categorical_crossentropy")
        small.fit(x_train, y_train, epochs=5)
    """
    graph = read_channels(model)
    budget = _check_goal(ratio, as_budget(budget), data)
    _check_limits(budget, min_accuracy, validation_data, multiple_of, fine_tune_epochs, seed)
    check_weights(model, f"model {model.name!r}")
    kind = _importance(importance)
    epochs = (_EPOCHS if budget else 0) if fine_tune_epochs is None else fine_tune_epochs
    objective = objective_of(model, loss)
    sample = None if data is None else take_sample(model, data, "data")
    _check_training(sample, objective, epochs, kind)
    if min_accuracy is not None:
        _check_targets(model, validation_data)
    tuner = Tuner(objective, fresh_optimizer(model, optimizer), metrics, int(epochs), int(seed))
    cutter = Cutter(kind, int(multiple_of), sample, objective)
    prunable = cutter.prunable(graph)
    if not prunable and (budget or ratio):
        raise _nothing_to_prune(model, graph, cutter)
    say = as_progress(progress)
    rounds: tuple[Round, ...] = ()
    if budget is None:
        say("removing channels")
        goal = float(ratio or 0.0) * prunable
        new, ended = _prune_to_goal(model, graph, goal, cutter, tuner, data)
    else:
        assert sample is not None  # a budget needs data
        limits = Goal(budget, find_board(board), min_accuracy, validation_data)
        with one_child():
            new, ended, rounds = prune_to_budget(model, limits, cutter, tuner, data, sample, say)
    after = read_channels(new)
    if ended not in (Ended.RATIO, Ended.BUDGET):
        what = "ratio" if budget is None else "budget"
        warnings.warn(f"The {what} is not reached: {ended}.", stacklevel=2)
    if not report:
        return duplicate(new, after)
    return duplicate(new, after), PruningReport(
        layers=tuple(_layers(graph, after, cutter)),
        untouched=(*graph.untouched, *_few(graph, cutter)),
        prunable_channels=prunable,
        removed_channels=made(graph) - made(after),
        ended=ended,
        rounds=rounds,
    )


def _prune_to_goal(
    model: Any, graph: ChannelGraph, goal: float, cutter: Cutter, tuner: Tuner, data: Any
) -> tuple[Any, Ended]:
    """A model without that many channels, fine-tuned, and whether the goal was reached."""
    aim = ChannelGoal.of(graph, goal)
    new = cutter.cut(model, graph, aim) if goal else duplicate(model, graph)
    tuner.fit(new, data)
    after = read_channels(new)
    short = goal - (made(graph) - made(after))
    missed = short > 0 and short >= cutter.smallest_step(after)
    return new, Ended.EXHAUSTED if missed else Ended.RATIO


def _check_training(sample: Any, objective: Any, epochs: int, importance: Importance) -> None:
    """Require targets and a loss for all that needs them."""
    for needed, what in ((epochs > 0, "Fine-tuning"), (importance is Importance.TAYLOR, "taylor")):
        if needed and (sample is None or sample.y is None or objective is None):
            raise ConfigError(
                f"{what} needs data with targets, and a loss.",
                "Pass data=(x, y), and loss= as in compile() unless the model is compiled.",
            )


def _check_targets(model: Any, validation_data: Any) -> None:
    if take_sample(model, validation_data, "validation_data").y is None:
        raise ConfigError("validation_data has no targets.", "Pass validation_data=(x_val, y_val).")


def _check_goal(ratio: Any, budget: Budget | None, data: Any) -> Budget | None:
    if (ratio is None) == (budget is None):
        raise ConfigError(
            "prune_channels needs either a ratio or a budget.",
            "Pass ratio=0.5, or budget=tflm_ext.Budget(flash_bytes=60_000).",
        )
    if ratio is not None and not (is_number(ratio) and 0 <= ratio < 1):
        raise ConfigError(
            f"ratio={ratio!r} is not a fraction of the channels.",
            "Pass a number from 0 to less than 1; 0.5 removes half of the channels.",
        )
    if budget is not None and budget == Budget():
        raise ConfigError(
            f"budget={budget!r} has no limit.", "Set one, as in Budget(flash_bytes=60_000)."
        )
    if budget is not None and data is None:
        raise ConfigError(
            "A budget needs data for fine-tuning and for planning the int8 model.",
            "Pass data=(x_train, y_train).",
        )
    return budget


def _check_limits(
    budget: Any, min_accuracy: Any, validation_data: Any, multiple_of: Any, epochs: Any, seed: Any
) -> None:
    if min_accuracy is not None and budget is None:
        raise ConfigError(
            "min_accuracy only works with a budget.",
            "Leave it out; a ratio removes the same channels at any accuracy.",
        )
    if min_accuracy is not None and validation_data is None:
        raise ConfigError(
            "min_accuracy needs validation_data.", "Pass validation_data=(x_val, y_val)."
        )
    if min_accuracy is not None and not (is_number(min_accuracy) and isfinite(min_accuracy)):
        raise ConfigError(
            f"min_accuracy={min_accuracy!r} is not a metric value.",
            "Pass a number, such as 0.9 for 90 % correct classes.",
        )
    if epochs is not None and not is_whole(epochs, 0):
        raise ConfigError(
            f"fine_tune_epochs={epochs!r} is not a whole number of at least 0.",
            "Pass 0 for no fine-tuning.",
        )
    if not is_whole(multiple_of, 1):
        raise ConfigError(
            f"multiple_of={multiple_of!r} is not a whole number of at least 1.",
            "Leave it at 4, which suits the kernels, or pass 1 to allow any number.",
        )
    if not is_whole(seed, 0):
        raise ConfigError(
            f"seed={seed!r} is not a whole number of at least 0.",
            "Leave it out, or pass a number like 0.",
        )


def _importance(given: str) -> Importance:
    known = [kind.value for kind in Importance]
    return Importance(one_of("importance", given, known))


def _nothing_to_prune(model: Any, graph: ChannelGraph, cutter: Cutter) -> UnsupportedModelError:
    rows = [str(row) for row in (*graph.untouched, *_few(graph, cutter))]
    shown = "; ".join(rows[:_SHOWN]) + ("; ..." if len(rows) > _SHOWN else "")
    return UnsupportedModelError(
        f"No layer of model {model.name!r} can lose a channel"
        + (f": {shown}." if rows else ": it has no convolution and no Dense layer."),
        "Compress it with another technique: sparsity, clustering or quantisation-aware training.",
    )


def _few(graph: ChannelGraph, cutter: Cutter) -> Iterator[Untouched]:
    """Yield layers without channels to spare that are not untouched for other reasons."""
    spare = {name for group in cutter.spare(graph) for name in group.layers}
    other = spare | {row.layer for row in graph.untouched}
    names = dict.fromkeys(name for group in graph.groups for name in group.layers)
    return (Untouched(name, Reason.FEW, name) for name in names if name not in other)


def _layers(before: ChannelGraph, after: ChannelGraph, cutter: Cutter) -> Iterator[PrunedLayer]:
    spare = {name for group in cutter.spare(before) for name in group.layers}
    for old, new in zip(before.uses, after.uses, strict=True):
        if old.path in spare:
            yield PrunedLayer(old.path, len(old.produced), len(new.produced))
