"""Normal: a device learns what is normal where it is, and then scores what differs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from tflm_ext.arithmetic import scores as arithmetic
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import real, whole
from tflm_ext.signals.mahalanobis import UNIT, Standardized, scored, standards_table
from tflm_ext.signals.scores import (
    expect_items,
    expect_values,
    mean_square_spec,
    numbers,
)
from tflm_ext.signals.spec import Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered, table

_S = TypeVar("_S", bound="Normal")
_EDGE = 1e9


@registered
@dataclass(frozen=True)
class Normal(Standardized):
    """Mahalanobis, whose means and deviations the device learns from its first windows.

    Sums are exact. Only plausible windows are learnt; after `learn_windows` of these, means and
    deviations are final. Until then, the score is that of the recordings that the pipeline was
    fitted on, the factory's values, or 0 if there are none. The state can be saved and loaded.
    """

    VERSION: ClassVar[int] = 1
    MUST_FIT: ClassVar[bool] = False

    learn_windows: int = entry("Plausible windows that are learnt.", default=600)
    margin: float | None = entry(
        "A window is plausible if every value is between the smallest and the largest of the "
        "factory's recordings, or beyond by at most this share of their distance; null for any.",
        default=0.5,
    )
    lowest: float | None = entry(
        "Real value below which a value is not plausible; null for none.", default=None
    )
    highest: float | None = entry(
        "Real value above which a value is not plausible; null for none.", default=None
    )
    smallest: tuple[float, ...] = entry(
        "Smallest of every value, in its steps; from fitting.", default=()
    )
    largest: tuple[float, ...] = entry(
        "Largest of every value, in its steps; from fitting.", default=()
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("Normal.learn_windows", self.learn_windows, 2, arithmetic.MOST_WINDOWS)
        if self.margin is not None:
            real("Normal.margin", self.margin, 0, 1000)
        for name in ("lowest", "highest"):
            if (edge := getattr(self, name)) is not None:
                real(f"Normal.{name}", edge, -_EDGE, _EDGE)
        for name in ("smallest", "largest"):
            edges = numbers(f"Normal.{name}", getattr(self, name), -(2.0**15), 2.0**15 - 1)
            object.__setattr__(self, name, edges)

    def fit(self: _S, source: Spec, items: Array) -> _S:
        """Return the stage with the factory's values.

        Args:
            source: what it receives.
            items: (items, *source.shape), two or more.

        Raises:
            ConfigError: the stage cannot work on them, or there are too few.
        """
        fitted = super().fit(source, items)
        flat = expect_items("Normal", source, items, 2)
        smallest, largest = (tuple(map(float, f(flat, axis=0))) for f in (np.min, np.max))
        return replace(fitted, smallest=smallest, largest=largest)

    def bind(self, source: Spec) -> NormalBlock:
        """Return the block; a stage that is not fitted has no values from the factory."""
        expect_values("Normal", source)
        factory = self.standards(source) if self.is_fitted else None
        _, most = arithmetic.standard(0.0, self.least_deviation)
        return NormalBlock(source, self.learn_windows, most, factory, self._limits(source))

    def _limits(self, source: Spec) -> Array:
        """Return the smallest and the largest plausible value, (values, 2)."""
        edges = np.iinfo(source.dtype.numpy)
        low, high = int(edges.min), int(edges.max)
        if self.lowest is not None:
            low = max(low, math.ceil(_step(self.lowest, source)))
        if self.highest is not None:
            high = min(high, math.floor(_step(self.highest, source)))
        limits = np.array([[low, high]] * source.size, np.int64)
        if self.margin is not None and self.smallest:
            limits = _narrowed(limits, self.smallest, self.largest, self.margin)
        if not (limits[:, 0] <= limits[:, 1]).all():
            raise ConfigError(
                "No window is plausible for Normal, so it never learns.",
                "Pass a smaller lowest, a larger highest, or a larger margin.",
            )
        return limits


def _step(real: float, source: Spec) -> float:
    """Return a real value in steps, limited to beyond int16."""
    found = real / source.scale + source.zero_point
    return min(max(found, -(2.0**16)), 2.0**16)


def _narrowed(limits: Array, smallest: Any, largest: Any, margin: float) -> Array:
    if not len(smallest) == len(largest) == len(limits):
        raise ConfigError(
            f"Normal has {len(smallest)} smallest and {len(largest)} largest values for "
            f"{len(limits)}.",
            "Call pipeline.fitted(recordings) again.",
        )
    low, high = np.array(smallest), np.array(largest)
    wider = margin * (high - low)
    return np.stack(
        [
            np.maximum(limits[:, 0], np.ceil(low - wider).astype(np.int64)),
            np.minimum(limits[:, 1], np.floor(high + wider).astype(np.int64)),
        ],
        axis=1,
    )


@dataclass(frozen=True, eq=False)
class NormalBlock:
    """Learning and score for features of one shape.

    Attributes:
        windows: to learn.
        most: the largest reciprocal deviation.
        factory: means and reciprocal deviations of the recordings, (values, 2), or None.
        limits: smallest and largest plausible values, (values, 2).
    """

    source: Spec
    windows: int
    most: int
    factory: Array | None
    limits: Array
    saves_state: ClassVar[bool] = True

    @property
    def out(self) -> Spec:
        return mean_square_spec(self.source, self.source.size, UNIT)

    def start(self) -> State:
        """Sums of values and squares, and how many windows they are of: none.

        When enough windows are learnt, means and reciprocal deviations replace the sums.
        """
        return np.zeros((self.source.size, 2), np.int64), np.zeros(1, np.uint32)

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        sums, learnt = state
        flat = items.reshape(len(items), self.source.size).astype(np.int64)
        have = int(learnt[0])
        plausible = ((flat >= self.limits[:, 0]) & (flat <= self.limits[:, 1])).all(axis=1)
        chosen = np.flatnonzero(plausible)[: max(self.windows - have, 0)]
        frozen = have + len(chosen) >= self.windows
        end = len(flat)
        if frozen:
            end = int(chosen[-1]) + 1 if len(chosen) else 0
        if len(chosen):
            new = flat[chosen]
            sums = sums + np.stack([new.sum(axis=0), (new * new).sum(axis=0)], axis=1)
            have += len(chosen)
            if frozen:
                sums = arithmetic.learnt(sums, self.windows, self.most)
        first, rest = flat[:end], flat[end:]
        early = np.zeros((end, 1), np.int32)
        if self.factory is not None:
            early = scored(first, self.factory)
        late = scored(rest, sums) if frozen else early[:0]
        return np.concatenate([early, late]), (sums, np.array([have], np.uint32))

    def lower(self) -> SignalCall:
        count = self.source.size
        factory = np.zeros((1, 2), np.int64) if self.factory is None else self.factory
        return SignalCall(
            name=f"normal_{self.source.dtype.value}",
            header="normal.h",
            fields=(
                ("count", count),
                ("shift", arithmetic.mean_square_shift(count)),
                ("factory", int(self.factory is not None)),
                ("largest", self.most),
                ("windows", self.windows),
            ),
            tables=(
                standards_table(factory),
                table(
                    "limits",
                    DType.INT16,
                    self.limits.reshape(-1),
                    f"[value {count}][smallest, largest]",
                ),
            ),
            state=(
                Memory("sums", "int64_t", 2 * count),
                Memory("learnt", "uint32_t", 1),
            ),
        )
