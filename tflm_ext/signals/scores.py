"""Scores: one number for how unusual, or how certain, features or a model's output are.

What scores of features have in common, and the scores of a model's output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tflm_ext.arithmetic import scores as arithmetic
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import expect, refuse, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered, table

MOST_VALUES = 4096
_MOST_CLASSES = 4096
_RATIO_BITS, _DIFFERENCE_BITS = 20, 6


def numbers(what: str, values: Any, low: float, high: float) -> tuple[float, ...]:
    """Return fitted numbers as a tuple of float.

    Raises:
        ConfigError: they are not a sequence of finite numbers from low to high.
    """
    wanted = f"a sequence of numbers from {low:g} to {high:g}"
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        found = (math.nan,)
    if not all(low <= value <= high for value in found):
        refuse(what, values, wanted, "Leave it out, and call pipeline.fitted(recordings).")
    return found


def expect_values(stage: str, source: Spec) -> None:
    """Require features that a score can be computed from.

    Raises:
        ConfigError: they are of another type, or too many.
    """
    expect(stage, source, Form.FEATURES)
    if source.dtype not in (DType.INT8, DType.INT16):
        raise ConfigError(
            f"{stage} takes features of int8 or int16, but receives {source}.",
            f"Put Zscore() before {stage}.",
        )
    if not 1 <= source.size <= MOST_VALUES:
        raise ConfigError(
            f"{stage} takes up to {MOST_VALUES:,} values, but receives {source}.",
            "Use a smaller Stack, or fewer bands.",
        )


def expect_items(stage: str, source: Spec, items: Array, least: int) -> Array:
    """Return the items that a stage is fitted on as (items, values).

    Raises:
        ConfigError: the source does not fit the stage, or there are too few items.
    """
    expect_values(stage, source)
    if len(items) < least:
        raise ConfigError(
            f"{stage} cannot be fitted on {len(items)} windows; it needs {least} or more.",
            "Pass longer recordings, or more of them.",
        )
    return items.reshape(len(items), -1)


def unfitted(stage: str) -> ConfigError:
    """Return the error for a stage whose numbers are missing."""
    return ConfigError(f"{stage} is not fitted.", "Call pipeline.fitted(recordings) first.")


def score_spec(source: Spec, scale: float, largest: int, smallest: int = 0) -> Spec:
    """Return what a score gives.

    Args:
        source: what it is computed from.
        scale: real value of a step.
        largest, smallest: in steps.
    """
    return replace(
        source,
        form=Form.SCORE,
        dtype=DType.INT32,
        shape=(1,),
        unit="",
        scale=scale,
        zero_point=0,
        limits=(smallest * scale, largest * scale),
        names=(),
    )


def mean_square_spec(source: Spec, count: int, unit: float) -> Spec:
    """Return what a score gives that is arithmetic.mean_squares() of numbers with this unit."""
    shift = arithmetic.mean_square_shift(count)
    return score_spec(source, math.ldexp(unit * unit, shift) / count, (count << 30) >> shift)


def deviations_of(
    stage: str, source: Spec, means: Sequence[float], deviations: Sequence[float], least: float
) -> list[tuple[float, float]]:
    """Return mean and deviation of every value, in its steps.

    Args:
        means, deviations: as they were fitted.
        least: smallest deviation that is used.

    Raises:
        ConfigError: there are more or fewer than values.
    """
    if not len(means) == len(deviations) == source.size:
        raise ConfigError(
            f"{stage} has {len(means)} means and {len(deviations)} deviations for "
            f"{source.size} values.",
            "Call pipeline.fitted(recordings) again.",
        )
    return [(m, max(d, least)) for m, d in zip(means, deviations, strict=True)]


# ---------------------------------------------------------------- of a model's output


@registered
@dataclass(frozen=True)
class Probability:
    """The probability of a class, or of several together, from the output of a classifier."""

    VERSION: ClassVar[int] = 1

    labels: tuple[int, ...] = entry(
        "Numbers of the classes whose probabilities are added up; a single one may be passed as an "
        "integer.",
        default=(0,),
    )

    def __post_init__(self) -> None:
        given: Any = self.labels
        labels = given if isinstance(given, tuple | list) else (given,)
        checked = tuple(whole("Probability.labels", n, 0, _MOST_CLASSES - 1) for n in labels)
        if not checked or len(set(checked)) < len(checked):
            refuse("Probability.labels", given, "a list of different classes", "Pass labels=(1,).")
        object.__setattr__(self, "labels", checked)

    def bind(self, source: Spec) -> ProbabilityBlock:
        expect_classes("Probability", source)
        if max(self.labels) >= source.size:
            raise ConfigError(
                f"Probability.labels has class {max(self.labels)}, but the model has "
                f"{source.size} outputs.",
                f"Pass numbers from 0 to {source.size - 1}.",
            )
        expect_probabilities("Probability", source)
        return ProbabilityBlock(source, self.labels)


def expect_classes(stage: str, source: Spec) -> None:
    """Require a model's output with a value per class.

    Raises:
        ConfigError: it is something else.
    """
    expect(stage, source, Form.FEATURES)
    if source.dtype is not DType.INT8 or not 1 <= source.size <= _MOST_CLASSES:
        raise ConfigError(
            f"{stage} works on the output of a classifier, int8, but receives {source}.",
            f"Use a model whose output has a value per class, up to {_MOST_CLASSES:,} of them.",
        )


def expect_probabilities(stage: str, source: Spec) -> None:
    """Require that the values of a model's output are from 0 to 1.

    Raises:
        ConfigError: they are not.
    """
    low, high = ((edge - source.zero_point) * source.scale for edge in (-128, 127))
    if not (-1.5 * source.scale <= low and high <= 1 + 1.5 * source.scale):
        raise ConfigError(
            f"{stage} works on probabilities, but the model gives {low:.3g} to {high:.3g}.",
            "End the model with a softmax or a sigmoid.",
        )


@dataclass(frozen=True)
class ProbabilityBlock:
    """The sum of q - zero_point of some classes."""

    source: Spec
    labels: tuple[int, ...]

    @property
    def out(self) -> Spec:
        count, zero = len(self.labels), self.source.zero_point
        return score_spec(
            self.source, self.source.scale, count * (127 - zero), count * (-128 - zero)
        )

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        flat = items.reshape(len(items), self.source.size).astype(np.int64)
        found = flat[:, list(self.labels)] - self.source.zero_point
        return found.sum(axis=1, keepdims=True).astype(np.int32), state

    def lower(self) -> SignalCall:
        return SignalCall(
            name="probability",
            header="probability.h",
            fields=(("count", len(self.labels)), ("zero_point", self.source.zero_point)),
            tables=(table("labels", DType.INT16, self.labels, f"[label {len(self.labels)}]"),),
        )


@registered
@dataclass(frozen=True)
class Reconstruction:
    """How badly an autoencoder reproduces its input: the mean squared difference.

    Its unit is the square of that of the model's input.
    """

    VERSION: ClassVar[int] = 1
    SEES_INPUT: ClassVar[bool] = True

    def bind(self, source: Spec, seen: Spec | None = None) -> ReconstructionBlock:
        """Return the block.

        Args:
            source: the model's output.
            seen: its input.

        Raises:
            ConfigError: they do not have equally many values of int8.
        """
        expect("Reconstruction", source, Form.FEATURES)
        if seen is None:
            raise ConfigError(
                "Reconstruction compares a model's output with its input, but there is no model.",
                "Use Mahalanobis or KMeans, or export the pipeline with an autoencoder.",
            )
        same = seen.size == source.size and seen.dtype is source.dtype is DType.INT8
        if not same or not 1 <= source.size <= 1 << 16:
            raise ConfigError(
                f"Reconstruction compares a model's output with its input, but the input is {seen} "
                f"and the output is {source}.",
                "Use a model whose output has the shape of its input.",
            )
        return ReconstructionBlock(source, seen)


@dataclass(frozen=True)
class ReconstructionBlock:
    """Differences in 1 / 64 of the larger of both scales, squared and added up.

    Attributes:
        output: what the model gives.
        seen: what it receives.
    """

    output: Spec
    seen: Spec
    sees_input: ClassVar[bool] = True

    @property
    def source(self) -> Spec:
        """Input and output side by side."""
        return replace(self.output, shape=(2 * self.output.size,), names=(), limits=None)

    @property
    def out(self) -> Spec:
        _, _, unit = self._words
        return mean_square_spec(
            self.output, self.output.size, math.ldexp(unit, _RATIO_BITS - _DIFFERENCE_BITS)
        )

    @property
    def _words(self) -> tuple[int, int, float]:
        return arithmetic.ratio_words(self.seen.scale, self.output.scale, _RATIO_BITS)

    @property
    def _offset(self) -> int:
        first, second, _ = self._words
        half = 1 << (_RATIO_BITS - _DIFFERENCE_BITS - 1)
        return second * self.output.zero_point - first * self.seen.zero_point + half

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        first, second, _ = self._words
        seen, given = np.split(items.astype(np.int64), 2, axis=1)
        exact = seen * first - given * second + self._offset
        found = arithmetic.mean_squares(exact >> (_RATIO_BITS - _DIFFERENCE_BITS))
        return found[:, np.newaxis].astype(np.int32), state

    def lower(self) -> SignalCall:
        first, second, _ = self._words
        count = self.output.size
        return SignalCall(
            name="reconstruction",
            header="reconstruction.h",
            fields=(
                ("count", count),
                ("input_scale", first),
                ("output_scale", second),
                ("offset", self._offset),
                ("shift", arithmetic.mean_square_shift(count)),
            ),
        )
