"""Scores the float model, TFLM and the C on the user's test data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
        outcomes: maps real outputs (samples, size) to one result per sample: correct or not, or the
            absolute error.
        unit: unit of a drop: 1, or the mean absolute deviation of the targets from their median,
            which is the error of a model that has learned nothing; 0 if all targets are equal.
    """

    metric: str
    outcomes: Callable[[Array], Array]
    unit: float

    def score(self, rows: Array) -> float:
        """Return the mean of the outcomes."""
        return float(np.mean(self.outcomes(rows)))


def by_output(targets: Any, names: Sequence[str]) -> tuple[Array | None, ...]:
    """Return the targets of each output, None for outputs without targets.

    Args:
        targets: one array, for the first output; a dict of arrays by output name; or, for several
            outputs, a list of arrays, with None for outputs without targets; None for no targets.
        names: of the outputs.

    Raises:
        ConfigError: an output does not exist, or its targets are not an array of numbers.
    """
    given: dict[str, Any]
    if targets is None:
        given = {}
    elif isinstance(targets, Mapping):
        given = dict(targets)
        unknown = [name for name in given if name not in names]
        if unknown or not given:
            raise ConfigError(
                f"The targets are of {unknown[0]!r}, which is not an output."
                if unknown
                else "The targets are an empty dict.",
                f"The outputs are {', '.join(names)}.",
            )
    elif _is_list(targets, len(names)):
        given = dict(zip(names, targets, strict=True))
    else:
        given = {names[0]: targets}
    return tuple(None if given.get(n) is None else _numbers(given[n], n) for n in names)


def _is_list(targets: Any, outputs: int) -> bool:
    """Whether targets are a list of one array per output, not a list of numbers."""
    if not isinstance(targets, list | tuple) or outputs < 2 or len(targets) != outputs:
        return False
    return all(
        part is None or isinstance(part, list | tuple) or np.ndim(part) > 0 for part in targets
    )


def _numbers(targets: Any, name: str) -> Array:
    hint = "Pass class numbers, one-hot rows, or values in the output's shape."
    try:
        found = np.asarray(targets)
    except ValueError as error:  # lists of several lengths
        raise ConfigError(f"The targets of output {name!r} are not an array.", hint) from error
    if found.dtype.kind not in "biuf":
        raise ConfigError(
            f"The targets of output {name!r} are {found.dtype}, not numbers.",
            hint,
        )
    if not np.isfinite(found).all():
        raise ConfigError(f"The targets of output {name!r} include NaN or infinity.", hint)
    return found


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
        targets: class numbers (samples,), one-hot rows, or real values in the output's shape.
        floats: outputs of the float model, samples first; None if there is no float model.
        tflm, ours: outputs of TFLM and the C, samples first; `ours` is None if the device runs TFLM
            itself.
        output: number of the output.

    Raises:
        ConfigError: the targets do not match the output.
    """
    count = len(tflm)
    scoring = scoring_for(np.asarray(targets), count, port.size)

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
    if scoring.metric == "accuracy":
        lost = int(np.count_nonzero(before)) - int(np.count_nonzero(after))
        return lost / len(before), paired_interval(before, after)
    if not scoring.unit:
        return None, None
    differences = (after - before) / scoring.unit
    interval = mean_interval(differences) if len(differences) > 1 else None
    return float(np.mean(differences)), interval


def metric_for(targets: Array, count: int, size: int) -> tuple[str, Callable[[Array], float]]:
    """Return the metric and the score function of scoring_for()."""
    scoring = scoring_for(targets, count, size)
    return scoring.metric, scoring.score


def scoring_for(targets: Array, count: int, size: int, what: str = "an output") -> Scoring:
    """Return the scoring that suits the targets of an output.

    Args:
        targets: as for measure_accuracy().
        count: number of samples.
        size: number of values in the output.
        what: name of the output in messages.

    Raises:
        ConfigError: the targets do not match the output.
    """
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
    if flat.shape[1] == size:
        unit = float(np.mean(np.abs(flat - np.median(flat, 0))))
        return Scoring("mean_absolute_error", lambda rows: np.abs(rows - flat).mean(1), unit)
    raise ConfigError(
        f"Targets with the shape {list(targets.shape)} do not match {what} with {size} values.",
        "Pass class numbers, one-hot rows, or values in the output's shape.",
    )


def _is_one_hot(rows: Array) -> bool:
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(1) == 1).all())
