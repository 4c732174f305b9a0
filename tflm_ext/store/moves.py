"""Moves a segment to another label: two renames, of which a kill may leave the first."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tflm_ext.errors import ConfigError
from tflm_ext.signals.described import beside
from tflm_ext.storage import not_written, shown
from tflm_ext.store.lock import Lock


def relabel(root: Path, path: Path, session: str, label: str) -> Path:
    """Rename the files of a segment, and return the new path of its WAV file.

    The JSON goes first: it then tells repair() where the WAV file belongs.

    Raises:
        ConfigError: the segment is being recorded, or the label has one of that name.
        StorageError: the files cannot be renamed.
    """
    place = root / label / path.name
    if place == path:
        return path
    lock = Lock.take(root, session)
    if lock is None:
        raise ConfigError(
            f"{shown(path)} is being recorded by another program.", "Wait until it ends."
        )
    try:
        if os.path.lexists(place) or os.path.lexists(beside(place)):
            raise ConfigError(
                f"The label {label!r} already has the recording {path.stem}.",
                "Remove one of the two, or import it as another session.",
            )
        place.parent.mkdir(exist_ok=True)
        os.rename(beside(path), beside(place))
        os.rename(path, place)
        with suppress(OSError):  # that of a folder with other files
            path.parent.rmdir()
    except OSError as error:
        raise not_written(place, error) from error
    finally:
        lock.release()
    return place
