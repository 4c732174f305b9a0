"""What a plan takes of RAM, as the generated header declares it, with pointers of 32 bits."""

from __future__ import annotations

from tflm_ext.plan.plan import Plan


def arena_bytes(plan: Plan) -> int:
    """Bytes of the arena as the header declares it; C has no array of length 0."""
    return max(plan.arena_bytes, 4)


def context_bytes(plan: Plan) -> int:
    """sizeof(context): the arena and one word."""
    return arena_bytes(plan) + 4
