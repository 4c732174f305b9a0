"""Recordings as users pass them: one, or several."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.parts import Part, parts_of
from tflm_ext.signals.recordings_bytes import RAW, recordings_in
from tflm_ext.storage import as_path


def as_recordings(given: Any, what: str) -> list[Any]:
    """Return one or several recordings as a list.

    Args:
        given: a recording: an array, the path of a file, or "-" for the standard input; a folder,
            of which all files that can be recordings are taken, in the order of their names, with
            those in its folders, and those of a store in the parts between their gaps; a part of
            a recording; or an iterable of recordings.

    Raises:
        ConfigError: there are none, or a description in a store is damaged.
        StorageError: a folder cannot be read.
    """
    if isinstance(given, str | os.PathLike):
        name = os.fspath(given)
        if isinstance(name, str) and (name == "-" or name.startswith(RAW)):
            return [given]
        path = as_path(what, given)
        if not os.path.isdir(path):
            return [given]
        return [part for own in recordings_in(path) for part in parts_of(own)]
    if isinstance(given, Part) or hasattr(given, "__array__"):
        return [given]
    if isinstance(given, Mapping | bytes) or not isinstance(given, Iterable):
        raise ConfigError(
            f"{what} is a {type(given).__name__}, not recordings.",
            "With a pipeline, pass a list of arrays of samples, or of paths of WAV or CSV files.",
        )
    found = list(given)
    if not found:
        raise ConfigError(f"{what} has no recordings.", "Pass at least one recording.")
    if all(isinstance(value, int | float | np.number) for value in found):
        return [np.asarray(found)]
    return found
