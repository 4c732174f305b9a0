"""Resources of a model's layers, as functions of the number of channels kept in each group."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflm_ext.compression.channels.groups import ChannelGraph
from tflm_ext.compression.channels.ties import Channels

# (n, groups) kept sets of channels of every group, for n choices.
Choices = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

WEIGHTS, MACS, ACTIVATIONS = range(3)


@dataclass(frozen=True)
class _Product:
    """A size: a constant times the lengths of some axes."""

    factor: float
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Usage:
    """Weights, multiply-accumulates and activations, as functions of the kept channels.

    Attributes:
        lengths: (axes, groups + 1): positions on an axis per set of each group; the last column
            has the positions that are always kept.
        products: the parts of every total, in the order WEIGHTS, MACS, ACTIVATIONS.
    """

    lengths: Floats
    products: tuple[tuple[_Product, ...], ...]

    @classmethod
    def of(cls, graph: ChannelGraph) -> Usage:
        """Read the kernels of a model; biases and normalisation are too small to count."""
        rows: list[Floats] = []
        numbers = np.full(len(graph.roots), len(graph.groups))
        for g, group in enumerate(graph.groups):
            numbers[group.roots] = g
        sets = np.array([*(len(group.roots) for group in graph.groups), 1])

        def axis(channels: Channels) -> int:
            found = np.bincount(numbers[graph.roots[channels]], minlength=len(sets))
            rows.append(found / sets)
            return len(rows) - 1

        weights, macs, activations = [], [], []
        for use in graph.uses:
            for kernel in {piece.weight for piece in use.effect.slices}:
                shape = use.operation.weights[kernel].shape
                if len(shape) < 2:
                    continue
                pieces = [p for p in use.effect.slices if p.weight == kernel]
                rest = math.prod(shape) / math.prod(len(p.channels) for p in pieces)
                axes = tuple(axis(p.channels) for p in pieces)
                weights.append(_Product(rest, axes))
                macs.append(_Product(rest * use.positions, axes))
            activations.append(_Product(use.positions, (axis(use.effect.output),)))
        return cls(np.array(rows), (tuple(weights), tuple(macs), tuple(activations)))

    def __call__(self, kept: Choices) -> Floats:
        """Return (n, 3) weights, multiply-accumulates and activations."""
        lengths = kept @ self.lengths[:, :-1].T + self.lengths[:, -1]
        totals = [
            sum(part.factor * lengths[:, part.axes].prod(axis=1) for part in parts)
            for parts in self.products
        ]
        return np.stack(np.broadcast_arrays(*totals, np.zeros(len(kept)))[:-1], axis=1)
