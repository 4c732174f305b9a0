"""Recordings as users pass them: one, or several."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tflm_ext.errors import ConfigError


def as_recordings(given: Any, what: str) -> list[Any]:
    """Return one or several recordings as a list.

    Args:
        given: a recording: an int16 array or the path of a file; or an iterable of recordings.

    Raises:
        ConfigError: there are none.
    """
    if isinstance(given, str | os.PathLike) or hasattr(given, "__array__"):
        return [given]
    try:
        found = list(given)
    except TypeError as error:
        raise ConfigError(
            f"{what} is a {type(given).__name__}, not recordings.",
            "With a pipeline, pass a list of arrays of samples, or of paths of WAV or CSV files.",
        ) from error
    if not found:
        raise ConfigError(f"{what} has no recordings.", "Pass at least one recording.")
    if all(isinstance(value, int | float | np.number) for value in found):
        return [np.asarray(found)]
    return found
