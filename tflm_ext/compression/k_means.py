"""Clusters the weights of a kernel, in one dimension. Uses NumPy only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tflm_ext.compression.weights import Values

_ROUNDS = 30

Numbers = npt.NDArray[np.intp]


def k_means(groups: Values, clusters: int, rng: np.random.Generator) -> Numbers:
    """Return cluster numbers, for each group separately: k-means++, then Lloyd's iterations.

    A group with at most this many distinct values is already clustered, and keeps them. Zeros form
    a separate cluster, number 0.

    Args:
        groups: (groups, members) in any order.
        clusters: 2 or more.
        rng: for the initial centres.

    Returns:
        (groups, members) numbers from 0 to clusters - 1; some may be missing.
    """
    ordered = np.sort(groups, axis=1).astype(np.float64)
    counted = ordered != 0
    zeros = ~counted.all(axis=1)
    centres = _plus_plus(ordered, counted, clusters - zeros, rng)
    sums, counts = _totals(ordered), _totals(counted)
    for _ in range(_ROUNDS):
        # In one dimension, a cluster ends halfway to its neighbours.
        middles = (centres[:, 1:] + centres[:, :-1]) / 2
        inner = np.stack(list(map(np.searchsorted, ordered, middles)))
        bounds = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (0, ordered.shape[1])))
        members = np.diff(np.take_along_axis(counts, bounds, axis=1))
        means = np.diff(np.take_along_axis(sums, bounds, axis=1)) / np.maximum(members, 1)
        moved = np.sort(np.where(members > 0, means, centres), axis=1)
        if np.array_equal(moved, centres):
            break
        centres = moved
    middles = (centres[:, 1:] + centres[:, :-1]) / 2
    pairs = zip(middles, groups, zeros, strict=True)
    numbers = np.stack([np.searchsorted(m, group, side="right") + z for m, group, z in pairs])
    return np.where((groups == 0) & zeros[:, np.newaxis], 0, numbers)


def _totals(values: npt.NDArray[Any]) -> Values:
    """Return the sums of the first 0, 1, 2, ... members: (groups, members + 1)."""
    return np.pad(np.cumsum(values, axis=1, dtype=np.float64), ((0, 0), (1, 0)))


def _plus_plus(
    groups: Values, counted: npt.NDArray[np.bool_], clusters: Numbers, rng: np.random.Generator
) -> Values:
    """Draw centres one by one, with probability by squared distance to the nearest centre.

    Args:
        groups: (groups, members).
        counted: (groups, members) which members may be drawn.
        clusters: (groups,) how many to draw.
        rng: random generator.

    Returns:
        (groups, most clusters), ascending; inf if there are no more to draw.
    """
    centres = np.full((len(groups), clusters.max()), np.inf)
    chances = counted.astype(np.float64)
    for i in range(centres.shape[1]):
        reached = np.cumsum(chances, axis=1)
        some = (reached[:, -1] > 0) & (i < clusters)
        drawn = (reached <= rng.random((len(groups), 1)) * reached[:, -1:]).sum(axis=1)
        drawn = np.minimum(drawn, groups.shape[1] - 1)[:, np.newaxis]
        new = np.take_along_axis(groups, drawn, axis=1)
        centres[some, i] = new[some, 0]
        distances = np.where(counted, np.square(groups - new), 0)
        chances = np.minimum(chances, distances) if i else distances
    return np.sort(centres, axis=1)


def groups_of(shape: tuple[int, ...], channel_axes: tuple[int, ...], per: str) -> Numbers:
    """Return places in a flat kernel, (groups, members); each group is clustered separately.

    Args:
        shape: of the kernel.
        channel_axes: each place along these is an output channel.
        per: "tensor" for one group, "channel" for one per output channel.
    """
    places = np.arange(np.prod(shape), dtype=np.intp)
    if per == "tensor":
        return places.reshape(1, -1)
    first = np.moveaxis(places.reshape(shape), channel_axes, range(len(channel_axes)))
    return first.reshape(np.prod(first.shape[: len(channel_axes)]), -1)


def most_values(weights: Values, places: Numbers) -> int:
    """Return the largest number of distinct values in any group of a kernel."""
    ordered = np.sort(weights.ravel()[places], axis=-1)
    return 1 + int((np.diff(ordered, axis=-1) != 0).sum(axis=-1).max())
