"""Mahalanobis: how far features are from their means, in deviations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import numpy as np

from tflm_ext.arithmetic import scores as arithmetic
from tflm_ext.document import entry
from tflm_ext.ir import DType
from tflm_ext.kernels import Const
from tflm_ext.signals.checks import real
from tflm_ext.signals.scores import (
    deviations_of,
    expect_items,
    expect_values,
    mean_square_spec,
    numbers,
    unfitted,
)
from tflm_ext.signals.spec import Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered, table

UNIT = 1 / (1 << arithmetic.DEVIATION_BITS)
_S = TypeVar("_S", bound="Standardized")


@dataclass(frozen=True, kw_only=True)
class Standardized:
    """What scores of features have in common: means and deviations, from recordings."""

    means: tuple[float, ...] = entry("Mean of every value, in its steps; from fitting.", default=())
    deviations: tuple[float, ...] = entry(
        "Standard deviation of every value, in its steps; from fitting.", default=()
    )
    least_deviation: float = entry(
        "Smaller deviations count as this one, in steps of the value: a value that never changed "
        "in the recordings must not decide alone.",
        default=1.0,
    )

    def __post_init__(self) -> None:
        name = type(self).__name__
        edges = np.iinfo(np.int16)
        means = numbers(f"{name}.means", self.means, float(edges.min), float(edges.max))
        object.__setattr__(self, "means", means)
        deviations = numbers(f"{name}.deviations", self.deviations, 0, 2.0**16)
        object.__setattr__(self, "deviations", deviations)
        least = arithmetic.LEAST_DEVIATION
        real(f"{name}.least_deviation", self.least_deviation, least, 2.0**15)

    @property
    def is_fitted(self) -> bool:
        """Whether it has the numbers that come from recordings."""
        return bool(self.means)

    def fit(self: _S, source: Spec, items: Array) -> _S:
        """Return the stage with means and deviations of these items.

        Args:
            source: what it receives.
            items: (items, *source.shape), two or more.

        Raises:
            ConfigError: the stage cannot work on them, or there are too few.
        """
        flat = expect_items(type(self).__name__, source, items, 2)
        means, deviations = arithmetic.mean_and_deviation(flat)
        return replace(self, means=tuple(means), deviations=tuple(deviations))

    def deviations_for(self, source: Spec) -> list[tuple[float, float]]:
        """Return mean and deviation of every value, in its steps.

        Raises:
            ConfigError: it was fitted on another number of values.
        """
        name = type(self).__name__
        return deviations_of(name, source, self.means, self.deviations, self.least_deviation)

    def standards(self, source: Spec) -> Array:
        """Return means and reciprocal deviations as integers, (values, 2).

        Raises:
            ConfigError: it was fitted on another number of values.
        """
        pairs = [arithmetic.standard(mean, own) for mean, own in self.deviations_for(source)]
        return np.array(pairs, np.int64)


@registered
@dataclass(frozen=True)
class Mahalanobis(Standardized):
    """The mean square of the features' distances from their means, in deviations.

    Features are taken as independent (a diagonal covariance). Healthy windows have a score of about
    1. A feature counts as at most 32 deviations away.
    """

    VERSION: ClassVar[int] = 1

    def bind(self, source: Spec) -> MahalanobisBlock:
        expect_values("Mahalanobis", source)
        if not self.is_fitted:
            raise unfitted("Mahalanobis")
        return MahalanobisBlock(source, self.standards(source))


@dataclass(frozen=True, eq=False)
class MahalanobisBlock:
    """The score for features of one shape.

    Attributes:
        standards: means and reciprocal deviations, (values, 2); see arithmetic.scores.
    """

    source: Spec
    standards: Array

    @property
    def out(self) -> Spec:
        return mean_square_spec(self.source, self.source.size, UNIT)

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        return scored(items, self.standards), state

    def lower(self) -> SignalCall:
        count = self.source.size
        return SignalCall(
            name=f"mahalanobis_{self.source.dtype.value}",
            header="mahalanobis.h",
            fields=(("count", count), ("shift", arithmetic.mean_square_shift(count))),
            tables=(standards_table(self.standards),),
        )


def scored(items: Array, standards: Array) -> Array:
    """Return the scores of items, (items, 1) int32, by (values, 2) means and reciprocals."""
    flat = items.reshape(len(items), len(standards))
    found = arithmetic.mean_squares(arithmetic.standardized(flat, standards))
    return found[:, np.newaxis].astype(np.int32)


def standards_table(standards: Array) -> Const:
    """Return means and reciprocal deviations as a table of the C."""
    layout = f"[value {len(standards)}][mean * 2^14, 2^28 / deviation]"
    return table("standards", DType.INT32, standards.reshape(-1), layout)
