"""Options of users: budget, runtime, optimisation."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

from tflm_ext.errors import ConfigError
from tflm_ext.near import unknown

DEFAULT_RUNTIME = "compiled"
DEFAULT_BOARD = "nano33ble_sense"
_LABELS = 'Pass one name per class, in the order of the output, as in ["no", "yes"].'
_MOST_LABELS = 100_000
_LONGEST = 60  # characters of a value in a message


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
        for field in fields(self):
            name, limit = field.name, getattr(self, field.name)
            if limit is None:
                continue
            if isinstance(limit, bool) or not isinstance(limit, Integral) or limit < 0:
                raise ConfigError(
                    f"Budget({name}={_short(limit)}) is not a valid limit.",
                    "Pass a whole number of at least 0, or None for no limit.",
                )
            object.__setattr__(self, name, int(limit))


def as_budget(given: Any) -> Budget | None:
    """Return a budget that is given as a Budget, as a dict of limits, or as None.

    Raises:
        ConfigError: it is something else, or a limit does not exist or is not valid.

    Example:
        >>> as_budget({"flash_bytes": 64_000}) == Budget(flash_bytes=64_000)
        True
    """
    if given is None or isinstance(given, Budget):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"budget={_short(given)} is not a budget.",
            'Pass a dict like {"flash_bytes": 64_000}, or a tflm_ext.Budget.',
        )
    known = [field.name for field in fields(Budget)]
    for name in given:
        if name not in known:
            raise unknown(f"A budget has no limit {_short(name)}.", name, known)
    return Budget(**given)


def as_flag(what: str, given: Any) -> bool:
    """Return an argument that must be True or False, also as NumPy has them.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(given, bool) or type(given).__name__ in ("bool", "bool_"):
        return bool(given)
    raise ConfigError(f"{what} is a {type(given).__name__}.", "Pass True or False.")


def as_progress(given: Any) -> Callable[[str], None]:
    """Return the function that is called with the current step; None is one that does nothing.

    Raises:
        ConfigError: it is not a function.
    """
    if given is None:
        return lambda text: None
    if not callable(given):
        raise ConfigError(
            f"progress is a {type(given).__name__}, not a function.",
            "Pass a function of a text, or leave it out.",
        )
    found: Callable[[str], None] = given
    return found


def as_labels(given: Any) -> tuple[str, ...]:
    """Return the names of the classes, without blanks at their ends.

    Args:
        given: any collection with an order, an iterator, which is used up, or None for no labels.

    Raises:
        ConfigError: it has no order, or a label is not a text, is empty, or occurs twice.

    Example:
        >>> as_labels(text for text in ("no ", "yes"))
        ('no', 'yes')
    """
    if given is None:
        return ()
    if isinstance(given, str | bytes | Mapping | set | frozenset):
        raise ConfigError(f"labels is a {type(given).__name__}, not a list of texts.", _LABELS)
    try:
        found = list(itertools.islice(iter(given), _MOST_LABELS + 1))
    except TypeError as error:
        raise ConfigError(f"labels={_short(given)} is not a list of texts.", _LABELS) from error
    if not found:
        raise ConfigError("labels is empty.", "Pass one name per class, or leave it out.")
    if len(found) > _MOST_LABELS:
        raise ConfigError(f"labels has more than {_MOST_LABELS:,} names.", _LABELS)
    labels: dict[str, int] = {}
    for number, label in enumerate(found):
        if not isinstance(label, str):
            raise ConfigError(f"labels[{number}] is {_short(label)}, which is not a text.", _LABELS)
        text = str(label).strip()
        if not text:
            raise ConfigError(f"labels[{number}] is empty.", "Give every class a name.")
        if text in labels:
            raise ConfigError(
                f"labels[{labels[text]}] and labels[{number}] are both {_short(text)}.",
                "Give every class a different name.",
            )
        labels[text] = number
    return tuple(labels)


def _short(value: Any) -> str:
    """Return a value for a message, in one line that is not too long."""
    text = " ".join(ascii(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
