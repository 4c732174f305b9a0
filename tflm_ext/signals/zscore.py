"""Zscore: every feature as its distance from its own mean, in its own deviations, as int8."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from tflm_ext.arithmetic.features import integer_deviations, integer_factor, real_deviations
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import expect, expect_type, real, refuse
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered, table

_STEPS = 128  # of int8 on either side of 0
_INT16, _INT32, _FLOAT32 = DType.INT16, DType.INT32, DType.FLOAT32
_LARGEST = {_INT16: 2.0**31, _INT32: 2.0**31, _FLOAT32: 1e30}


@registered
@dataclass(frozen=True)
class Zscore:
    """Every feature minus its mean, divided by its deviation, as the int8 that a model receives.

    Mean and deviation come from recordings: pipeline.fitted(recordings). A feature that is the same
    in all of them tells nothing, and is always 0. So is NaN.
    """

    VERSION: ClassVar[int] = 1

    limit: float = entry(
        "Deviations from the mean that -128 stands for; beyond it, features are clamped.",
        default=4.0,
    )
    mean: tuple[float, ...] = entry(
        "Mean of every feature, in counts of the stage before; empty before the fit.", default=()
    )
    deviation: tuple[float, ...] = entry(
        "Standard deviation of every feature; 0 where it never changes.", default=()
    )

    def __post_init__(self) -> None:
        real("Zscore.limit", self.limit, 0.1, 1000)
        for name, low in (("mean", -1e30), ("deviation", 0.0)):
            given = getattr(self, name)
            if not isinstance(given, Sequence) or isinstance(given, str):
                refuse(f"Zscore.{name}", given, "a sequence of numbers", "Pass one per feature.")
            values = tuple(real(f"Zscore.{name}[{i}]", v, low, 1e30) for i, v in enumerate(given))
            object.__setattr__(self, name, values)
        if len(self.mean) != len(self.deviation):
            raise ConfigError(
                f"Zscore has {len(self.mean)} means, but {len(self.deviation)} deviations.",
                "Pass both for every feature, or call pipeline.fitted(recordings).",
            )

    @property
    def is_fitted(self) -> bool:
        return bool(self.mean)

    def fit(self, source: Spec, items: Array) -> Zscore:
        """Return the stage with mean and deviation of features.

        Args:
            items: (items, *source.shape), all of all recordings.

        Raises:
            ConfigError: there are none, or a feature is not finite.
        """
        _check(source)
        if len(items) == 0:
            raise ConfigError(
                "Zscore has nothing to fit to: the recordings give no features.",
                "Pass longer recordings.",
            )
        values = items.reshape(len(items), -1).astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
        if len(bad):
            raise ConfigError(
                f"{_named(source, int(bad[0]))} is not finite in the recordings.",
                "Leave out what makes it infinite or NaN, such as samples that are NaN.",
            )
        same = (values == values[0]).all(axis=0)
        deviation = np.where(same, 0.0, values.std(axis=0))
        mean = np.where(same, values[0], values.mean(axis=0))
        return replace(self, mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))

    def bind(self, source: Spec) -> ZscoreBlock:
        _check(source)
        if not self.is_fitted:
            raise ConfigError("Zscore is not fitted.", "Call pipeline.fitted(recordings) first.")
        if len(self.mean) != source.size:
            raise ConfigError(
                f"Zscore was fitted to {len(self.mean)} features, but receives {source.size}.",
                "Call pipeline.fitted(recordings) again.",
            )
        largest = max(map(abs, self.mean))
        if largest > _LARGEST[source.dtype]:
            raise ConfigError(
                f"Zscore has a mean of {largest:g}, but receives {source.dtype.value}.",
                "Call pipeline.fitted(recordings) again.",
            )
        return ZscoreBlock(source, self.limit, self.mean, self.deviation)


def _check(source: Spec) -> None:
    expect("Zscore", source, Form.FEATURES)
    expect_type("Zscore", source, _INT16, _INT32, _FLOAT32)


def _named(source: Spec, index: int) -> str:
    name = f" ({source.names[index]})" if index < len(source.names) else ""
    return f"Feature {index}{name}"


@dataclass(frozen=True)
class ZscoreBlock:
    """Mean and deviation as two numbers per feature: what to subtract, and what to multiply by."""

    source: Spec
    limit: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def out(self) -> Spec:
        return replace(
            self.source,
            dtype=DType.INT8,
            unit="deviations",
            scale=float(np.float32(self.limit / _STEPS)),
            zero_point=0,
            limits=(-self.limit, self.limit),
        )

    @property
    def steps(self) -> tuple[float, ...]:
        """Steps of int8 for a change of 1, by feature; 0 for those that never change."""
        return tuple(_STEPS / (self.limit * d) if d > 0 else 0.0 for d in self.deviation)

    @cached_property
    def integers(self) -> tuple[Array, Array]:
        """Centers, (n,) int32 values, and (n, 3): multiplier, rest of the mean, and shift."""
        centers, factors = [], []
        for mean, step in zip(self.mean, self.steps, strict=True):
            center = max(-(2**31), min(math.floor(mean + 0.5), 2**31 - 1))
            multiplier, shift = integer_factor(step) if step > 0 else (0, 1)
            rest = math.floor((center - mean) * multiplier + 0.5)
            centers.append(center)
            factors.append((multiplier, rest, shift))
        return np.array(centers, np.int64), np.array(factors, np.int64)

    @cached_property
    def reals(self) -> tuple[Array, Array]:
        """Means and factors, float32; 0 and 0 for features that never change."""
        steps = np.minimum(np.array(self.steps), 3e38).astype(np.float32)
        means = np.where(steps > 0, self.mean, 0.0).astype(np.float32)
        return means, steps

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        values = items.reshape(len(items), self.source.size)
        if self.source.dtype is DType.FLOAT32:
            found = real_deviations(values, *self.reals)
        else:
            found = integer_deviations(values, *self.integers)
        return found.reshape(items.shape), state

    def lower(self) -> SignalCall:
        count = self.source.size
        return SignalCall(
            name=f"{self.source.dtype.value}_zscore",
            header="zscore.h",
            fields=(("count", count),),
            tables=self._tables(count),
        )

    def _tables(self, count: int) -> tuple[Any, ...]:
        if self.source.dtype is DType.FLOAT32:
            pairs = np.stack(self.reals, 1)
            layout = f"[feature {count}][mean, factor]"
            return (table("factors", DType.FLOAT32, pairs, layout),)
        centers, factors = self.integers
        return (
            table("centers", DType.INT32, centers, f"[feature {count}]"),
            table("factors", DType.INT16, factors, f"[feature {count}][multiplier, offset, shift]"),
        )
