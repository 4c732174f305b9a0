"""Files of a store: written in one step, and read without following links."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tflm_ext.signals.recordings_bytes import not_read
from tflm_ext.storage import shown

TEMPORARY = ".tmp"


def replace_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that it has the old or the new content whenever this program ends.

    Args:
        durable: also if the computer loses power.

    Raises:
        OSError: it cannot be written; the old one remains.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def folders_in(root: Path) -> list[Path]:
    """Return the folders in a folder, by name; hidden ones and links are left out.

    Raises:
        StorageError: it cannot be read.
    """
    return [root / entry.name for entry in _entries(root) if entry.is_dir(follow_symlinks=False)]


def files_in(folder: Path, suffix: str) -> list[Path]:
    """Return the files with an ending, by name; hidden ones and links are left out.

    Raises:
        StorageError: the folder cannot be read.
    """
    return [
        folder / entry.name
        for entry in _entries(folder)
        if entry.name.endswith(suffix) and entry.is_file(follow_symlinks=False)
    ]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise not_read(shown(folder), error) from error
    return sorted(found, key=lambda entry: entry.name)
