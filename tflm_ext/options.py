"""Options of users: budget, runtime, optimisation."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tflm_ext.errors import ConfigError

DEFAULT_RUNTIME = "compiled"
DEFAULT_BOARD = "nano33ble_sense"


class Optimize(enum.StrEnum):
    """What the planner minimises when it chooses kernels."""

    BALANCED = "balanced"
    SPEED = "speed"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Upper limits for an export; None means no limit.

    Args:
        flash_bytes: weights and code together, in bytes.
        weight_bytes: constant tables, in bytes.
        ram_bytes: sizeof(context), in bytes.
        macs: multiply-accumulate operations per inference.

    Raises:
        ConfigError: a limit is negative or not an integer.

    Example:
        >>> Budget(flash_bytes=100_000, ram_bytes=16_384).ram_bytes
        16384
    """

    flash_bytes: int | None = None
    weight_bytes: int | None = None
    ram_bytes: int | None = None
    macs: int | None = None

    def __post_init__(self) -> None:
        for name in ("flash_bytes", "weight_bytes", "ram_bytes", "macs"):
            limit = getattr(self, name)
            if limit is not None and (
                isinstance(limit, bool) or not isinstance(limit, int) or limit < 0
            ):
                raise ConfigError(
                    f"Budget({name}={limit!r}) is not a valid limit.",
                    "Pass a whole number of at least 0, or None for no limit.",
                )
