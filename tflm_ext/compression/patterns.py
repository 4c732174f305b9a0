"""Which weights of a kernel become zero, and when: NumPy alone."""

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
    """The share of the final sparsity that an epoch has: much is added at first, little at last.

    All of it from `end` on, nothing before `begin`; Zhu and Gupta, 2017.
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
        members: (rows, units, width) whether a place can become zero at all.
        scores: (rows, units) mean magnitude; 0 where all members are zero already.
        sizes: (rows, units) number of members.
    """

    members: Mask
    scores: Values
    sizes: npt.NDArray[np.intp]

    @classmethod
    def of(cls, rows: Values, pattern: str) -> Units:
        """Cut rows of weights, (rows, input channels), into units.

        A last block that is not full counts as it is for "1x4", and as if filled up with zeros
        for "2:4".
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
        """How many weights have to be zero; one unit always stays."""
        total = int(self.sizes.sum())
        # 0.75 * 36 may be a little more than 27.
        wanted = math.ceil(part * total - 1e-6)
        return min(wanted, total - int(self.sizes.max())) if part < 1 else total

    def zeros(self) -> int:
        """How many weights are zero in units that are zero altogether."""
        return int(self.sizes[self.scores == 0].sum())

    def keep(self, wanted: int, channels: int) -> Mask:
        """(rows, input channels), False where weights become zero: in the units of least score."""
        order = np.argsort(self.scores, axis=None)
        reached = np.cumsum(self.sizes.ravel()[order])
        count = np.searchsorted(reached, wanted) + 1 if wanted else 0
        dropped = np.zeros(self.sizes.size, np.bool_)
        dropped[order[:count]] = True
        keep = ~(self.members & dropped.reshape(self.sizes.shape)[..., np.newaxis])
        return keep.reshape(len(keep), -1)[:, :channels]
