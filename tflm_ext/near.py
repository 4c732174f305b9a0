"""Suggestions for what users mistype, and the error for a choice that is not known."""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from tflm_ext.errors import ConfigError

_MOST_NAMES = 2000  # of a folder that are compared; more take too long
_FEWEST_LETTERS = 3  # of a name that is cut off, as in "nano" for "nano33ble_sense"


def unknown(
    problem: str, given: object, known: Iterable[str], *, all_of: str = "Choose one of: {}."
) -> ConfigError:
    """Return the error for a name that is not known; its hint begins with the nearest one.

    Args:
        problem: what is wrong, one sentence.
        given: what the user passed.
        known: all names that can be passed.
        all_of: the hint; {} stands for all names.

    Example:
        >>> print(unknown("There is no recipe 'fats'.", "fats", ["fast", "balanced"]))
        There is no recipe 'fats'.
        Did you mean fast? Choose one of: fast, balanced.
    """
    names = tuple(known)
    return ConfigError(problem, did_you_mean(given, names) + all_of.format(", ".join(names)))


def one_of(what: str, value: object, known: Sequence[str]) -> str:
    """Return the value of an argument that must be one of several names.

    Args:
        what: the argument's name.

    Raises:
        ConfigError: it is not; suggests the nearest.
    """
    if not isinstance(value, str) or value not in known:
        raise unknown(f"{what}={value!r:.80} is not known.", value, known)
    return value


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Return "Did you mean X? " for the name that is most like the given one, else "".

    Letter case, and the difference between "-", "_" and " ", do not count.

    Example:
        >>> did_you_mean("Nano33BLE", ["nano33ble_sense", "raspberry_pi_pico"])
        'Did you mean nano33ble_sense? '
        >>> did_you_mean("uno", ["nano33ble_sense", "raspberry_pi_pico"])
        ''
    """
    found = nearest(given, known)
    return "" if found is None else f"Did you mean {found}? "


def nearest(given: object, known: Iterable[str]) -> str | None:
    """Return the name that is most like the given one; None if none is similar."""
    if not isinstance(given, str):
        return None
    word = _plain(given)
    by_form: dict[str, str] = {}
    for name in known:
        by_form.setdefault(_plain(name), name)
    if word in by_form:
        return by_form[word]
    if found := difflib.get_close_matches(word, by_form, 1):
        return by_form[found[0]]
    longer = [form for form in by_form if form.startswith(word)]
    return by_form[min(longer)] if longer and len(word) >= _FEWEST_LETTERS else None


def did_you_mean_file(path: Path, suffixes: Sequence[str] = ()) -> str:
    """Return "Did you mean X? " for a path that does not exist, from the names that do.

    Every part of the path that does not exist is compared with its neighbours.

    Args:
        path: as the user passed it.
        suffixes: of the files that can be meant, like ".npz"; folders can always be meant. Without
            suffixes, only folders.
    """
    found = _nearest_file(path, tuple(suffixes))
    return "" if found is None else f"Did you mean {found}? "


def _nearest_file(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    missing = path
    while missing.parent != missing and not _exists(missing.parent):
        missing = missing.parent
    below = path.relative_to(missing)
    if below != Path():
        folder = _nearest_name(missing, ())
        if folder is None:
            return None
        inside = missing.with_name(folder) / below
        return inside if _exists(inside) else _nearest_file(inside, suffixes)
    name = _nearest_name(missing, suffixes)
    return None if name is None else missing.with_name(name)


def _nearest_name(missing: Path, suffixes: tuple[str, ...]) -> str | None:
    """Return the most similar name in the folder of a file that does not exist."""
    names = sorted(
        name
        for name in _names(missing.parent)
        if name.isprintable()
        and (Path(name).suffix in suffixes or (missing.parent / name).is_dir())
    )
    if missing.suffix not in suffixes:
        return nearest(missing.name, names)
    # All names end alike, which does not make them similar.
    stems = {Path(name).stem: name for name in names}
    stem = nearest(missing.stem, stems)
    return None if stem is None else stems[stem]


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_").strip("_")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no permission, a name that is too long, a null byte
        return False


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in itertools.islice(entries, _MOST_NAMES)]
    except OSError:
        return []
