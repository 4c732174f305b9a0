"""Multiplies sizes that a file claims, without producing huge numbers."""

from __future__ import annotations

from collections.abc import Iterable


def exceeds(sizes: Iterable[float], limit: int) -> bool:
    """Whether the product of sizes exceeds a limit; signs and zeros are ignored."""
    product: float = 1
    for size in sizes:
        if not abs(size) <= limit:  # so that a NaN exceeds every limit
            return True
        product *= abs(size) or 1
        if product > limit:
            return True
    return False
