"""What a model takes on the device, as the generated header declares it, with 32-bit pointers."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model takes on the device, in bytes.

    Attributes:
        weight_bytes: constant tables, or the whole .tflite where an interpreter reads it; exact.
        code_bytes: estimated; None where only a build can tell.
        arena_bytes: as the header declares it: exact, or a bound of what an interpreter needs.
        context_bytes: sizeof(context), the arena included.
    """

    weight_bytes: int
    code_bytes: int | None
    arena_bytes: int
    context_bytes: int

    @property
    def flash_bytes(self) -> int | None:
        """Weights and code; None as code_bytes."""
        return None if self.code_bytes is None else self.weight_bytes + self.code_bytes


def arena_bytes(plan: Plan) -> int:
    """Bytes of the arena as the header declares it; C has no array of length 0."""
    return max(plan.arena_bytes, 4)


def context_bytes(plan: Plan) -> int:
    """sizeof(context): the arena and one word."""
    return arena_bytes(plan) + 4
