"""Determines which weights of a kernel become zero, and when. Uses NumPy only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tflm_ext.compression.weights import Values

BLOCK = 4

Mask = npt.NDArray[np.bool_]


def scheduled(epoch: int, begin: int, end: int) -> float:
    """Return the fraction of the final sparsity in an epoch: it rises quickly, then slowly.

    It is 0 before `begin`, and 1 from `end` on; Zhu and Gupta, 2017.
    """
    if epoch < begin:
        return 0.0
    if epoch >= end:
        return 1.0
    left = 1 - (epoch - begin + 1) / (end - begin + 1)
    return 1 - left**3


@dataclass(frozen=True, slots=True)
class Units:
    """The sets of weights of a kernel that become zero together or not at all.

    Attributes:
        members: (rows, units, width) whether a weight can become zero.
        scores: (rows, units) mean magnitude; 0 if all members are already zero.
        sizes: (rows, units) number of members.
    """

    members: Mask
    scores: Values
    sizes: npt.NDArray[np.intp]

    @classmethod
    def of(cls, rows: Values, pattern: str) -> Units:
        """Divide rows of weights, (rows, input channels), into units.

        An incomplete last block is used as it is for "1x4", and padded with zeros for "2:4".
        """
        count, channels = rows.shape
        width = 1 if pattern == "unstructured" else BLOCK
        padding = -channels % width
        magnitude = np.pad(np.abs(rows), ((0, 0), (0, padding)), constant_values=-1.0)
        magnitude = magnitude.reshape(count, -1, width)
        members = magnitude >= 0
        if pattern == "2:4":
            rank = np.argsort(np.argsort(magnitude, axis=-1), axis=-1)
            members &= rank < BLOCK // 2
        sizes = members.sum(axis=-1)
        scores = np.where(members, magnitude, 0).sum(axis=-1) / np.maximum(sizes, 1)
        return cls(members, scores, sizes)

    def wanted(self, part: float) -> int:
        """Return how many weights must be zero; one unit is always kept."""
        total = int(self.sizes.sum())
        # 0.75 * 36 may be a little more than 27.
        wanted = math.ceil(part * total - 1e-6)
        return min(wanted, total - int(self.sizes.max())) if part < 1 else total

    def zeros(self) -> int:
        """Return the number of weights in units that are completely zero."""
        return int(self.sizes[self.scores == 0].sum())

    def keep(self, wanted: int, channels: int) -> Mask:
        """Return (rows, input channels), False for weights in the units with the lowest scores."""
        order = np.argsort(self.scores, axis=None)
        reached = np.cumsum(self.sizes.ravel()[order])
        count = np.searchsorted(reached, wanted) + 1 if wanted else 0
        dropped = np.zeros(self.sizes.size, np.bool_)
        dropped[order[:count]] = True
        keep = ~(self.members & dropped.reshape(self.sizes.shape)[..., np.newaxis])
        return keep.reshape(len(keep), -1)[:, :channels]
