"""KMeans: how far features are from the nearest of several centres, in deviations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from tflm_ext.arithmetic import scores as arithmetic
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import refuse, whole
from tflm_ext.signals.mahalanobis import Standardized
from tflm_ext.signals.scores import (
    expect_items,
    expect_values,
    score_spec,
    unfitted,
)
from tflm_ext.signals.spec import Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered, table

_MOST_CLUSTERS = 64
_EIGHT = 8
_GROUP = 4
_STARTS, _ROUNDS = 4, 100
_S = TypeVar("_S", bound="KMeans")


@registered
@dataclass(frozen=True)
class KMeans(Standardized):
    """The mean squared distance of the features from the nearest centre, in deviations.

    Centres are those of healthy recordings, so that a machine with several normal states has a low
    score in each of them.
    """

    VERSION: ClassVar[int] = 1

    clusters: int = entry("Centres.", default=8)
    centres: tuple[tuple[int, ...], ...] = entry(
        "The values of every centre in the stage's integers; from fitting.", default=()
    )
    seed: int = entry("Of the random numbers that fitting begins with.", default=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("KMeans.clusters", self.clusters, 1, _MOST_CLUSTERS)
        whole("KMeans.seed", self.seed, 0, 2**32 - 1)
        object.__setattr__(self, "centres", _rows(self.centres))

    @property
    def is_fitted(self) -> bool:
        """Whether it has the numbers that come from recordings."""
        return bool(self.means and self.centres)

    def fit(self: _S, source: Spec, items: Array) -> _S:
        """Return the stage with means, deviations and centres of these items.

        Args:
            source: what it receives.
            items: (items, *source.shape).

        Raises:
            ConfigError: the stage cannot work on them, or there are too few different ones.
        """
        fitted = super().fit(source, items)
        flat = expect_items("KMeans", source, items, 2)
        points = arithmetic.on_line(flat, fitted._lines(source), point_limit(source.size))
        different = len(np.unique(points, axis=0)) if len(points) < 10_000 else self.clusters
        if different < self.clusters:
            raise ConfigError(
                f"KMeans cannot find {self.clusters} centres in {different} different windows.",
                "Pass longer recordings, or fewer clusters.",
            )
        found = fitted_centres(points, self.clusters, self.seed)
        return replace(fitted, centres=tuple(map(tuple, found.tolist())))

    def bind(self, source: Spec) -> KMeansBlock:
        expect_values("KMeans", source)
        if not self.is_fitted:
            raise unfitted("KMeans")
        limit = point_limit(source.size)
        fits = all(len(row) == source.size for row in self.centres)
        if not fits or not all(-limit <= v < limit for row in self.centres for v in row):
            raise ConfigError(
                f"The centres of KMeans are not {source.size} values from {-limit} to {limit - 1}.",
                "Call pipeline.fitted(recordings) again.",
            )
        return KMeansBlock(source, self._lines(source), np.array(self.centres, np.int64))

    def _lines(self, source: Spec) -> Array:
        unit = point_unit(source.size)
        pairs = [arithmetic.line(mean, own, unit) for mean, own in self.deviations_for(source)]
        return np.array(pairs, np.int64)


def _rows(given: Any) -> tuple[tuple[int, ...], ...]:
    remedy = "Leave it out, and call pipeline.fitted(recordings)."
    rows = isinstance(given, Sequence) and all(isinstance(row, Sequence) for row in given)
    if not rows or len(given) > _MOST_CLUSTERS or any(isinstance(row, str) for row in given):
        refuse("KMeans.centres", given, f"a list of up to {_MOST_CLUSTERS} centres", remedy)
    edges = -(1 << 15), (1 << 15) - 1
    return tuple(tuple(whole("KMeans.centres", v, *edges, remedy) for v in row) for row in given)


def point_bits(count: int) -> int:
    """Return the bits of a coordinate: squared distances of `count` coordinates fit into int32.

    Example:
        >>> [point_bits(count) for count in (1, 40, 128, 129, 4096)]
        [12, 12, 12, 9, 9]
    """
    return 12 if count <= 128 else 9


def point_limit(count: int) -> int:
    """Return the number that coordinates are below, and not below minus it."""
    return 1 << (point_bits(count) - 1)


def point_unit(count: int) -> int:
    """Return the coordinate of a deviation; points are within 32 of these."""
    return point_limit(count) // 32


def fitted_centres(points: Array, clusters: int, seed: int) -> Array:
    """Return centres, (clusters, values) int64: k-means++, then Lloyd's iterations, in integers.

    All sums are exact, in float64 too, so they are the same on all computers; the best of several
    starts counts.

    Args:
        points: (points, values), integers whose squared distances fit into int32.
        clusters: as many as there are different points, or fewer.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    best, least = points[:0], -1
    for _ in range(_STARTS):
        centres = _plus_plus(points, clusters, random)
        for _ in range(_ROUNDS):
            moved = _moved(points, centres)
            if np.array_equal(moved, centres):
                break
            centres = moved
        total = int(_distances(points, centres).min(axis=1).sum())
        if least < 0 or total < least:
            best, least = centres, total
    return best[np.lexsort(best.T[::-1])]


def _plus_plus(points: Array, clusters: int, random: np.random.Generator) -> Array:
    """Draw centres one by one, with probability by squared distance to the nearest centre."""
    chosen = [int(random.integers(len(points)))]
    for _ in range(clusters - 1):
        chances = np.cumsum(_distances(points, points[chosen]).min(axis=1))
        drawn = random.integers(max(int(chances[-1]), 1))
        chosen.append(min(int(np.searchsorted(chances, drawn, side="right")), len(points) - 1))
    return points[chosen]


def _distances(points: Array, centres: Array) -> Array:
    """Return squared distances, (points, centres) int64."""
    products = (points.astype(np.float64) @ centres.T.astype(np.float64)).astype(np.int64)
    own = (points * points).sum(axis=1)[:, np.newaxis]
    return own - 2 * products + (centres * centres).sum(axis=1)


def _moved(points: Array, centres: Array) -> Array:
    """Return the means of the points that are nearest to each centre; it stays if none is."""
    nearest = _distances(points, centres).argmin(axis=1)
    members = (nearest == np.arange(len(centres))[:, np.newaxis]).astype(np.float64)
    counts = members.sum(axis=1).astype(np.int64)[:, np.newaxis]
    sums = (members @ points.astype(np.float64)).astype(np.int64)
    return np.where(counts > 0, (2 * sums + counts) // np.maximum(2 * counts, 1), centres)


@dataclass(frozen=True, eq=False)
class KMeansBlock:
    """The score for features of one shape.

    Attributes:
        lines: factors and offsets, (values, 2); see arithmetic.scores.
        centres: (clusters, values).
    """

    source: Spec
    lines: Array
    centres: Array

    @property
    def out(self) -> Spec:
        unit = point_unit(self.source.size)
        return score_spec(self.source, 1 / (self.source.size * unit * unit), 2**31 - 1)

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        flat = items.reshape(len(items), self.source.size)
        points = arithmetic.on_line(flat, self.lines, point_limit(self.source.size))
        nearest = _distances(points, self.centres).min(axis=1, keepdims=True)
        return nearest.astype(np.int32), state

    def lower(self) -> SignalCall:
        count = self.source.size
        pairs = (count + 1) // 2
        missing = -len(self.centres) % _GROUP
        centres = np.concatenate([self.centres, np.repeat(self.centres[-1:], missing, axis=0)])
        groups = len(centres) // _GROUP
        order = np.arange(count)
        if self.source.dtype is DType.INT8:  # of eight, k_means.h makes these pairs
            whole = order[: count - count % _EIGHT]
            whole[:] = whole.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1)
        padded = np.pad(-2 * centres[:, order], ((0, 0), (0, count % 2)))
        words = (
            np.ascontiguousarray(padded, "<i2")
            .view("<i4")
            .reshape(groups, _GROUP, pairs)
            .transpose(0, 2, 1)
        )
        norms = (centres * centres).sum(axis=1)
        layout = f"[group {groups}][pair {pairs}][centre {_GROUP}], two values times -2 in a word"
        return SignalCall(
            name=f"k_means_{self.source.dtype.value}",
            header="k_means.h",
            fields=(("count", count), ("bits", point_bits(count)), ("groups", groups)),
            tables=(
                table(
                    "lines",
                    DType.INT32,
                    np.pad(self.lines[order], ((0, count % 2), (0, 0))).reshape(-1),
                    f"[value {2 * pairs}][factor * 2^16, offset]",
                ),
                table("centres", DType.INT32, words.reshape(-1), layout),
                table("norms", DType.INT32, norms, f"[centre {len(centres)}], sums of squares"),
            ),
            scratch=(Memory("pairs", "uint32_t", pairs),),
        )
