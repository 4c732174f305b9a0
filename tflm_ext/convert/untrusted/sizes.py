"""Sizes that a file claims, multiplied without the numbers becoming large themselves."""

from __future__ import annotations

from collections.abc import Iterable


def exceeds(sizes: Iterable[float], limit: int) -> bool:
    """Whether the product of sizes is larger than a limit; signs and zeros are left out."""
    product: float = 1
    for size in sizes:
        if not abs(size) <= limit:  # so that a NaN exceeds every limit
            return True
        product *= abs(size) or 1
        if product > limit:
            return True
    return False
