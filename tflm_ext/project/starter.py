"""tflm-ext new: a folder with a training script that runs, and that the user changes."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tflm_ext.emit.render import render
from tflm_ext.errors import ConfigError
from tflm_ext.ir.rendered import RenderedFile, write_files
from tflm_ext.near import did_you_mean
from tflm_ext.project.names import model_name
from tflm_ext.storage import as_path, not_written, require_folders, shown
from tflm_ext.version import VERSION

_FILES = ("data.py", "train.py")


@dataclass(frozen=True, slots=True)
class Starter:
    """What the README of a kind of starter says.

    Attributes:
        about: what it is.
        yours: what the user puts in the place of the generated data.
        thing: of what the generated data shows nothing.
    """

    about: str
    yours: str
    thing: str


STARTERS: Mapping[str, Starter] = {
    "machine": Starter(
        "A device that listens to a machine, and raises an alarm when it sounds unusual.",
        "Recordings may be paths of WAV files. Faults are not needed for training.",
        "machine",
    ),
    "keyword": Starter(
        "A device that hears words in a stream of sound.",
        "Record people who say the words and others, and note where the words are.",
        "speakers",
    ),
    "activity": Starter(
        "A device on the wrist, or on an animal, that tells activities apart by their motion.",
        "Recordings may be paths of CSV files with a time column, acceleration in g, and rotation "
        "in degrees per second.",
        "wearers",
    ),
    "image": Starter(
        "A device with a small camera that tells whether a place is empty or occupied.",
        "Pictures of a camera, as arrays of uint8 or as paths of .npy files, have one size.",
        "place",
    ),
}
"""By name of the kind."""


@dataclass(frozen=True, slots=True)
class _View:
    """Variables of templates/starters/."""

    name: str
    kind: str
    about: str
    yours: str
    thing: str
    version: str


def starter_files(name: str, kind: str) -> tuple[RenderedFile, ...]:
    """Return the files of a starter.

    Raises:
        ConfigError: there is no such kind, or the name is not a C identifier.
    """
    if kind not in STARTERS:
        raise ConfigError(
            f"There is no starter {kind!a:.60}.",
            did_you_mean(kind, STARTERS).rstrip() or f"There are {', '.join(STARTERS)}.",
        )
    own = STARTERS[kind]
    view = _View(model_name(name), kind, own.about, own.yours, own.thing, VERSION)
    return (
        RenderedFile.text("README.md", render("starters/README.md.j2", view)),
        *(RenderedFile.text(file, render(f"starters/{kind}/{file}.j2", view)) for file in _FILES),
    )


def write_starter(name: str, kind: str, folder: Path | None = None) -> Path:
    """Write a starter completely or not at all, and return its folder.

    Args:
        folder: new, or empty; by default, one of that name in the current folder.

    Raises:
        ConfigError: as starter_files(); or there is something in the folder.
        StorageError: it cannot be written.
    """
    files = starter_files(name, kind)
    target = as_path("folder", name if folder is None else folder)
    require_folders(target)
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConfigError(
                f"{shown(target)} exists already, and is not empty.", "Choose a different folder."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".tflm_ext-", dir=target.parent))
        try:
            beside.chmod(0o755)
            write_files(files, beside)
            beside.rename(target)
        except BaseException:
            with contextlib.suppress(OSError):
                shutil.rmtree(beside)
            raise
    except OSError as error:
        raise not_written(target, error) from error
    return target
