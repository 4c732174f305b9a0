"""Options of users: budget, runtime, optimisation, labels, version."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from tflm_ext.errors import ConfigError
from tflm_ext.near import did_you_mean, unknown
from tflm_ext.version import PAGE

DEFAULT_RUNTIME = "compiled"
DEFAULT_BOARD = "nano33ble_sense"
NO_VERSION = "0.0.0"
"""The version of a model that was exported without one, because Arduino requires one."""
_LABELS = 'Pass one name per class, in the order of the output, as in ["no", "yes"].'
_MOST_LABELS = 100_000
_LONGEST = 60  # characters of a value in a message


Methods: TypeAlias = str | Iterable[str] | Mapping[str, str]
"""Methods of encode(), as users choose them."""


class Unset(enum.Enum):
    """The value of an argument that was not passed, where None means something."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return self.name


UNSET = Unset.UNSET


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

    @property
    def limits(self) -> dict[str, int]:
        """The limits that are set, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: limit for name, limit in found.items() if limit is not None}


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


def as_methods(given: Any) -> Any:
    """Return methods of encode() that can be read more than once; encode() checks them."""
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        return tuple(given.ravel().tolist() if hasattr(given, "ravel") else given)
    return given


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


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of the classes.

    Attributes:
        first: those of the first output; empty if there are none.
        by_name: instead, those of some outputs, each with the output's name.
        kept: whether they are those of an earlier export.
    """

    first: tuple[str, ...] = ()
    by_name: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kept: bool = False

    @property
    def hint(self) -> str:
        """What to do about labels that do not match the outputs."""
        kept = "These labels are those of the earlier export. " if self.kept else ""
        return f"{kept}Pass one name per class, in the order of the output."

    def of(self, outputs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return the labels of each output, given the outputs' names.

        Raises:
            ConfigError: there is no output of a name.
        """
        if not self.by_name:
            return (self.first, *[()] * (len(outputs) - 1))[: len(outputs)]
        for name, _ in self.by_name:
            if name not in outputs:
                raise ConfigError(
                    f"labels has names for {_short(name)}, which is not an output.",
                    f"{did_you_mean(name, outputs)}The outputs are {', '.join(outputs)}."
                    if not self.kept
                    else self.hint,
                )
        named = dict(self.by_name)
        return tuple(named.get(name, ()) for name in outputs)


NO_LABELS = Labels()


def as_labels(given: Any) -> Labels:
    """Return the names of the classes, without blanks at their ends.

    Args:
        given: any collection with an order, or an iterator, which is used up; a dict of these by
            the names of the outputs; None for no labels.

    Raises:
        ConfigError: it has no order, or a label is not a text, is empty, or occurs twice.

    Example:
        >>> as_labels(text for text in ("no ", "yes")).first
        ('no', 'yes')
    """
    if isinstance(given, Labels):
        return given
    if given is None:
        return Labels()
    if isinstance(given, Mapping):
        if not given:
            raise ConfigError("labels is empty.", "Pass one name per class, or leave it out.")
        named = ((str(name), _labels(own, f"labels[{name!r}]")) for name, own in given.items())
        return Labels(by_name=tuple(named))
    return Labels(_labels(given, "labels"))


def _labels(given: Any, what: str) -> tuple[str, ...]:
    if isinstance(given, str | bytes | Mapping | set | frozenset):
        raise ConfigError(f"{what} is a {type(given).__name__}, not a list of texts.", _LABELS)
    try:
        found = list(itertools.islice(iter(given), _MOST_LABELS + 1))
    except TypeError as error:
        raise ConfigError(f"{what}={_short(given)} is not a list of texts.", _LABELS) from error
    if not found:
        raise ConfigError(f"{what} is empty.", "Pass one name per class, or leave it out.")
    if len(found) > _MOST_LABELS:
        raise ConfigError(f"{what} has more than {_MOST_LABELS:,} names.", _LABELS)
    labels: dict[str, int] = {}
    for number, label in enumerate(found):
        if not isinstance(label, str):
            raise ConfigError(f"{what}[{number}] is {_short(label)}, which is not a text.", _LABELS)
        text = str(label).strip()
        if not text:
            raise ConfigError(f"{what}[{number}] is empty.", "Give every class a name.")
        if text in labels:
            raise ConfigError(
                f"{what}[{labels[text]}] and {what}[{number}] are both {_short(text)}.",
                "Give every class a different name.",
            )
        labels[text] = number
    return tuple(labels)


_NUMBER = r"(0|[1-9]\d{0,8})"
_BEFORE = rf"({_NUMBER}|[0-9A-Za-z-]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = (
    rf"{_NUMBER}(\.{_NUMBER}){{2}}(-{_BEFORE}(\.{_BEFORE})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
_LONGEST_VERSION = 60


def as_version(given: Any) -> str:
    """Return the version of a model; that of models without one is NO_VERSION.

    Raises:
        ConfigError: it is not three numbers, as semver.org defines versions.

    Example:
        >>> as_version("1.2.0"), as_version(None)
        ('1.2.0', '0.0.0')
    """
    if given is None:
        return NO_VERSION
    if (
        not isinstance(given, str)
        or len(given) > _LONGEST_VERSION
        or not re.fullmatch(_VERSION, given, re.ASCII)
    ):
        raise ConfigError(
            f"version={_short(given)} is not a version.",
            'Pass three numbers, as in version="1.2.0" (--version 1.2.0).',
        )
    return given


_MOST_SECONDS = 86_400.0


def as_capture_seconds(given: Any) -> float:
    """Return for how many seconds the firmware remembers samples, which it may then send.

    Raises:
        ConfigError: it is not a number from 0 to 86,400.
    """
    number = isinstance(given, Real) and not isinstance(given, bool)
    if not number or not 0 <= float(given) <= _MOST_SECONDS:
        raise ConfigError(
            f"capture_seconds={_short(given)} is not a number from 0 to {_MOST_SECONDS:,.0f}.",
            "Pass a number of seconds such as 2, or 0 for firmware that never sends samples.",
        )
    return float(given)


def as_url(given: Any) -> str:
    """Return the address of the model's page; by default, that of this package.

    Raises:
        ConfigError: it is not an address of the web, in ASCII, with other characters as %XX.
    """
    if given is None:
        return PAGE
    if not isinstance(given, str) or not _is_address(given):
        raise ConfigError(
            f"url={_short(given)} is not an address of the web.",
            'Pass an address without blanks, as in url="https://example.org/digits".',
        )
    return given


def _is_address(text: str) -> bool:
    if not re.fullmatch(r"https?://[\w.~:/?#@!$&()*+,;=%\[\]'-]{1,400}", text, re.ASCII):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port above 65,535, brackets without an address
        return False


def _short(value: Any) -> str:
    """Return a value for a message, in one line that is not too long."""
    text = " ".join(ascii(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
