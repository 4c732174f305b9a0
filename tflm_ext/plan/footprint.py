"""Memory that a model needs on the device, as its header declares it with 32-bit pointers."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory that a model needs on the device, in bytes.

    Attributes:
        weight_bytes: constant tables, or the whole .tflite if an interpreter reads it; exact.
        code_bytes: estimated; None if only a build can measure it.
        arena_bytes: as declared in the header: exact, or an upper bound for an interpreter.
        context_bytes: sizeof(context), including the arena.
    """

    weight_bytes: int
    code_bytes: int | None
    arena_bytes: int
    context_bytes: int

    @property
    def flash_bytes(self) -> int | None:
        """Weights and code; None if code_bytes is None."""
        return None if self.code_bytes is None else self.weight_bytes + self.code_bytes


def arena_bytes(plan: Plan) -> int:
    """Return the bytes of the arena in the header: at least 1, because C has no empty arrays."""
    return max(plan.arena_bytes, 4)


def context_bytes(plan: Plan) -> int:
    """Return sizeof(context): the arena and one word."""
    return arena_bytes(plan) + 4
