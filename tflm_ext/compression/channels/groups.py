"""Channels of a model: how layers use them, and which can be removed. Uses NumPy only."""

from __future__ import annotations

import enum
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.compression.channels.ties import Channels

# Whether a channel is kept, by its number.
Kept: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


class Reason(enum.StrEnum):
    """Why channels are kept."""

    INPUT = "they are inputs of the model"
    OUTPUT = "they are outputs of the model"
    SHARED = "the layer is used more than once"
    CUSTOM = "the layer or its activation is not one of Keras' own"
    ATTENTION = "attention mixes the channels"
    RECURRENT = "the layer is recurrent"
    MIXES = "the layer computes across the channels"
    CONSTRAINT = "the layer has a weight constraint"
    LAYOUT = "the layer has its channels first"
    UNKNOWN = "there is no rule for the layer"
    FEW = "the layer has no more than multiple_of channels"


class Role(enum.Enum):
    """How an axis of a weight relates to its channels."""

    CONSUMES = "sums over them"
    PRODUCES = "makes them"
    CARRIES = "goes with them"


@dataclass(frozen=True, slots=True)
class Slice:
    """An axis of a weight that runs along channels.

    Attributes:
        weight: index in the layer's weights.
        channels: at every position of the axis.
    """

    weight: int
    axis: int
    channels: Channels
    role: Role


@dataclass(frozen=True, slots=True)
class Effect:
    """How an operation treats channels.

    Attributes:
        output: the channels that come out.
        slices: how its weights depend on channels.
        sizes: settings of the layer that count channels, with the channels they count.
    """

    output: Channels
    slices: tuple[Slice, ...] = ()
    sizes: Mapping[str, Channels] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Use:
    """A layer or an operation of the model, used once.

    Attributes:
        path: its name, after those of the nested models that it is in: "backbone/conv".
        positions: number of positions of a tensor at which its kernels are used.
    """

    operation: Any
    path: str
    effect: Effect
    positions: float = 1.0

    @property
    def produced(self) -> Channels:
        """The channels that the layer produces."""
        made = [piece.channels for piece in self.effect.slices if piece.role is Role.PRODUCES]
        return np.concatenate(made) if made else np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Group:
    """Equivalent channels: any of them can be removed, each with all channels tied to it.

    Attributes:
        roots: one channel for each set of tied channels.
        layers: paths of the layers that produce them.
        weight: number of channels of these layers in one set.
        counts: how often one set occurs on an axis of a kernel, for each of these axes.
    """

    roots: Channels
    layers: tuple[str, ...]
    weight: int
    counts: tuple[int, ...]

    def step(self, multiple_of: int) -> int:
        """Return the step in sets for which all axes are multiples of `multiple_of`."""
        return math.lcm(*(multiple_of // math.gcd(multiple_of, count) for count in self.counts))


@dataclass(frozen=True, slots=True)
class Untouched:
    """A layer that keeps all or some of its channels.

    Attributes:
        layer: its path.
        because: path of the layer that is the reason; often the same.
    """

    layer: str
    reason: Reason
    because: str

    def __str__(self) -> str:
        via = f" ({self.because})" if self.because != self.layer else ""
        return f"{self.layer}: {self.reason}{via}"


@dataclass(frozen=True, slots=True)
class ChannelGraph:
    """The channels of a model.

    Attributes:
        uses: operations that have a rule, in execution order.
        roots: maps every channel to the representative of all channels tied to it.
        groups: channels that can be removed.
        untouched: layers with channels that cannot be removed.
    """

    uses: tuple[Use, ...]
    roots: Channels
    groups: tuple[Group, ...]
    untouched: tuple[Untouched, ...]

    def kept(self, removed: Channels) -> Kept:
        """Return the channels that remain without these roots and all channels tied to them."""
        return ~np.isin(self.roots, removed)


def groups_of(uses: Sequence[Use], roots: Channels, blocked: dict[int, Any]) -> Iterator[Group]:
    """Group sets of tied channels that occur on the same axes equally often."""
    stands: defaultdict[int, list[tuple[int, Role, int]]] = defaultdict(list)
    for i, use in enumerate(uses):
        for piece in use.effect.slices:
            if piece.role is not Role.CARRIES:
                found = np.unique(roots[piece.channels], return_counts=True)
                for root, count in zip(*(a.tolist() for a in found), strict=True):
                    stands[root].append((i, piece.role, count))
    alike: defaultdict[tuple[tuple[int, Role, int], ...], list[int]] = defaultdict(list)
    for root, axes in stands.items():
        if root not in blocked and any(role is Role.PRODUCES for _, role, _ in axes):
            alike[tuple(axes)].append(root)
    for same, members in alike.items():
        made = [(i, count) for i, role, count in same if role is Role.PRODUCES]
        yield Group(
            np.array(members),
            tuple(uses[i].path for i, _ in made),
            sum(count for _, count in made),
            tuple(count for _, _, count in same),
        )


def untouched_of(
    uses: Sequence[Use], roots: Channels, blocked: dict[int, tuple[Reason, str]]
) -> Iterator[Untouched]:
    for use in uses:
        held = {blocked[root]: None for root in roots[use.produced].tolist() if root in blocked}
        for reason, because in held:
            yield Untouched(use.path, reason, because)
            break
