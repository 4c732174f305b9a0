"""What prune_channels() did."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass

from tflm_ext.compression.channels.groups import Untouched
from tflm_ext.options import Budget


class Ended(enum.StrEnum):
    """Why no more channels were removed."""

    RATIO = "the ratio is reached"
    BUDGET = "the budget is met"
    ACCURACY = "accuracy would fall below min_accuracy"
    EXHAUSTED = "no layer can lose more channels"


@dataclass(frozen=True, slots=True)
class PrunedLayer:
    """A layer that lost channels, or could have lost some."""

    layer: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the int8 model, as planned for the compiled runtime."""

    weight_bytes: int
    flash_bytes: int
    ram_bytes: int
    macs: int

    def within(self, budget: Budget) -> bool:
        """Whether all limits of a budget are met."""
        limits = {name: limit for name, limit in asdict(budget).items() if limit is not None}
        return all(getattr(self, name) <= limit for name, limit in limits.items())


@dataclass(frozen=True, slots=True)
class Round:
    """One round of pruning to a budget; the first is the original model.

    Attributes:
        removed_channels: number of channels removed from the original model so far.
        accuracy: on the validation data; None without min_accuracy.
        sizes: None if the round ended before planning.
    """

    removed_channels: int
    accuracy: float | None
    sizes: Sizes | None


@dataclass(frozen=True, slots=True, repr=False)
class PruningReport:
    """What prune_channels() did.

    Attributes:
        layers: every layer with prunable channels, before and after.
        untouched: every layer that keeps channels for a reason other than their importance.
        prunable_channels, removed_channels: over all layers.
        ended: why it stopped.
        rounds: with a budget; empty with a ratio.
    """

    layers: tuple[PrunedLayer, ...]
    untouched: tuple[Untouched, ...]
    prunable_channels: int
    removed_channels: int
    ended: Ended
    rounds: tuple[Round, ...] = ()

    @property
    def removed_share(self) -> float:
        """Removed of all prunable channels, 0 to 1."""
        return self.removed_channels / self.prunable_channels if self.prunable_channels else 0.0

    def __repr__(self) -> str:
        return (
            f"<PruningReport: {self.removed_channels} of {self.prunable_channels} prunable "
            f"channels of {len(self.layers)} layers removed>"
        )

    def __str__(self) -> str:
        head = (
            f"{self.removed_channels} of {self.prunable_channels} prunable channels removed"
            f" ({self.removed_share:.0%}): {self.ended}."
        )
        rows = [f"{row.layer}: {row.before} -> {row.after}" for row in self.layers]
        return "\n".join([head, *rows, *(f"untouched: {row}" for row in self.untouched)])
