"""Data and models as users pass them: functions are called, and mix-ups are named."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

from tflm_ext.convert.files import is_model_file
from tflm_ext.convert.order import library
from tflm_ext.errors import ConfigError

_ARRAYS = "Pass arrays, or on the command line a .npz file with the keys x and y."


def as_data(given: Any, what: str) -> Any:
    """Return calibration or test data; a function without arguments is called for it.

    Args:
        what: its name in messages, like "calibration_data".

    Raises:
        ConfigError: it is a model, a file name, or a function that needs arguments.
    """
    _refuse_others(given, what)
    if not _is_function(given):
        return given
    try:
        needs = any(
            p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            for p in inspect.signature(given).parameters.values()
        )
    except (TypeError, ValueError):  # built-in classes have no signature
        needs = True
    if needs:
        raise ConfigError(
            f"{what} is a function that takes arguments.",
            "Pass its result, or a function without arguments that returns or yields samples.",
        )
    try:
        found = given()
    except Exception as error:  # of the user's own code
        raise ConfigError(
            f"{what} is a function that raises {type(error).__name__}: {error}.",
            "Fix the function, or pass its result.",
        ) from error
    if found is None or _is_function(found):
        raise ConfigError(
            f"{what} is a function that returns {'nothing' if found is None else 'a function'}.",
            "Let it return or yield arrays of samples.",
        )
    _refuse_others(found, what)
    return found


def _refuse_others(given: Any, what: str) -> None:
    if library(given) is not None:
        raise ConfigError(f"{what} is a model, not data.", _ARRAYS)
    if isinstance(given, str | os.PathLike):
        if is_model_file(Path(given)):
            raise ConfigError(f"{what}={os.fspath(given)!r} is a model, not data.", _ARRAYS)
        raise ConfigError(
            f"{what}={os.fspath(given)!r} is the name of a file, not data.",
            'Load it, for example with numpy.load("data.npz")["x"].',
        )


def _is_function(given: Any) -> bool:
    """Whether something must be called to get data; Datasets and arrays are data themselves."""
    data = any(hasattr(given, name) for name in ("__array__", "__iter__", "__getitem__"))
    return callable(given) and (isinstance(given, type) or not data)
