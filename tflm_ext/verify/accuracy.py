"""Scores the float model, TFLM and the C on the user's test data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.ir.facts import Port
from tflm_ext.report import Accuracy
from tflm_ext.verify.intervals import Interval, mean_interval, paired_interval
from tflm_ext.verify.vectors import real_values

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Scoring:
    """How outputs are scored against targets.

    Attributes:
        metric: "accuracy" or "mean_absolute_error".
        outcomes: maps real outputs (samples, size) to one result per sample: correct or not, the
            share of correct positions, or the absolute error.
        unit: unit of a drop: 1, or the mean absolute deviation of the targets from their median,
            which is the error of a model that has learned nothing; 0 if all targets are equal.
    """

    metric: str
    outcomes: Callable[[Array], Array]
    unit: float

    def score(self, rows: Array) -> float:
        """Return the mean of the outcomes."""
        return float(np.mean(self.outcomes(rows)))


def measure_accuracy(
    port: Port,
    targets: Array,
    floats: Array | None,
    tflm: Array,
    ours: Array | None,
    *,
    output: int = 0,
) -> Accuracy:
    """Score one output of the float model, TFLM and the C on the same samples.

    Args:
        port: type, scale and zero point of the output.
        targets: class numbers (samples,), or one for each position of the output (samples, ...);
            the same as one-hot rows; or real values in the output's shape.
        floats: outputs of the float model, samples first; None if there is no float model.
        tflm, ours: outputs of TFLM and the C, samples first; `ours` is None if the device runs TFLM
            itself.
        output: number of the output.

    Raises:
        ConfigError: the targets do not match the output.
    """
    count = len(tflm)
    scoring = scoring_for(np.asarray(targets), count, port.shape[1:])

    def real(values: Array) -> Array:
        return real_values(port, values).reshape(count, port.size)

    in_float = None if floats is None else floats.reshape(count, port.size)
    if in_float is not None and not math.isfinite(scoring.score(in_float)):
        in_float = None  # a float model that overflows has no meaningful error
    drop, interval = (None, None) if in_float is None else _drop(scoring, in_float, real(tflm))
    return Accuracy(
        scoring.metric,
        count,
        None if in_float is None else scoring.score(in_float),
        scoring.score(real(tflm)),
        None if ours is None else scoring.score(real(ours)),
        drop,
        interval,
        output,
    )


def _drop(
    scoring: Scoring, floats: Array, quantised: Array
) -> tuple[float | None, Interval | None]:
    """Return the loss through int8, in units of the scoring, and its 95 % interval."""
    before, after = scoring.outcomes(floats), scoring.outcomes(quantised)
    if before.dtype == bool:
        lost = int(np.count_nonzero(before)) - int(np.count_nonzero(after))
        return lost / len(before), paired_interval(before, after)
    if not scoring.unit:
        return None, None
    differences = (after - before) / scoring.unit
    if scoring.metric == "accuracy":
        differences = -differences
    interval = mean_interval(differences) if len(differences) > 1 else None
    return float(np.mean(differences)), interval


def metric_for(
    targets: Array, count: int, shape: tuple[int, ...]
) -> tuple[str, Callable[[Array], float]]:
    """Return the metric and the score function of scoring_for()."""
    scoring = scoring_for(targets, count, shape)
    return scoring.metric, scoring.score


def scoring_for(
    targets: Array, count: int, shape: tuple[int, ...], what: str = "an output"
) -> Scoring:
    """Return the scoring that suits the targets of an output.

    Args:
        targets: as for measure_accuracy().
        count: number of samples.
        shape: of the output for one sample.
        what: name of the output in messages.

    Raises:
        ConfigError: the targets do not match the output.
    """
    size = math.prod(shape)
    if len(targets) != count:
        raise ConfigError(
            f"The test data has {count:,} inputs, but {len(targets):,} targets.",
            "Pass test_data=(x, y) with x and y of the same length.",
        )
    flat = targets.reshape(count, -1)
    if size > 1 and flat.shape[1] == size and _is_one_hot(flat):
        flat = flat.argmax(1)[:, None]
    whole = np.issubdtype(flat.dtype, np.integer) or bool(np.all(flat == np.round(flat)))
    if size > 1 and flat.shape[1] == 1 and whole and 0 <= flat.min() and flat.max() < size:
        classes = flat[:, 0]
        return Scoring("accuracy", lambda rows: rows.argmax(1) == classes, 1.0)
    if size == 1 and flat.shape[1] == 1 and np.isin(flat, (0, 1)).all():
        return Scoring("accuracy", lambda rows: ((rows >= 0.5) == flat)[:, 0], 1.0)
    if (found := _of_positions(flat, shape, whole)) is not None:
        return found
    if flat.shape[1] == size:
        unit = float(np.mean(np.abs(flat - np.median(flat, 0))))
        return Scoring("mean_absolute_error", lambda rows: np.abs(rows - flat).mean(1), unit)
    raise ConfigError(
        f"Targets with the shape {list(targets.shape)} do not match {what} with {size} values.",
        "Pass class numbers, one-hot rows, or values in the output's shape.",
    )


def _of_positions(flat: Array, shape: tuple[int, ...], whole: bool) -> Scoring | None:
    """Return the scoring of a class at each position, as in a mask of a picture, if there are any.

    Args:
        flat: targets (samples, positions) with class numbers, or one-hot rows of all positions.
        shape: of the output for one sample, classes last; one class is a probability.
        whole: whether the targets are whole numbers.
    """
    if len(shape) < 2 or not whole:
        return None
    positions, classes = math.prod(shape[:-1]), shape[-1]
    if classes > 1 and flat.shape[1] == positions * classes:
        rows = flat.reshape(-1, classes)
        flat = rows.argmax(1).reshape(len(flat), positions) if _is_one_hot(rows) else flat
    if flat.shape[1] != positions or flat.min() < 0 or flat.max() >= max(classes, 2):
        return None

    def right(rows: Array) -> Array:
        found = rows.reshape(len(rows), positions, classes)
        chosen = found.argmax(2) if classes > 1 else (found[:, :, 0] >= 0.5)
        return (chosen == flat).mean(1)

    return Scoring("accuracy", right, 1.0)


def _is_one_hot(rows: Array) -> bool:
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(1) == 1).all())
