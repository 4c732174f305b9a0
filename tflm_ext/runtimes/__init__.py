"""Runtimes, which run a model on the device: one module or package each, and their choice."""

from __future__ import annotations

import os
from pathlib import Path

from tflm_ext.errors import ConfigError
from tflm_ext.options import Methods, as_methods
from tflm_ext.runtimes.base import DeviceModel, Planned, Progress, Runtime
from tflm_ext.runtimes.compiled import Compiled
from tflm_ext.runtimes.none import NoModel
from tflm_ext.runtimes.tflm import Tflm
from tflm_ext.runtimes.tflm.tree import find_tree

__all__ = [
    "RUNTIMES",
    "Compiled",
    "DeviceModel",
    "NoModel",
    "Planned",
    "Progress",
    "Runtime",
    "Tflm",
    "make_runtime",
]

RUNTIMES = (Compiled.name, Tflm.name)
"""What may run a model; NoModel is not the user's choice, but follows from having none."""


def make_runtime(
    name: str,
    *,
    tflm_source: str | os.PathLike[str] | None = None,
    encoding: Methods | None = None,
    project: Path | None = None,
) -> Runtime:
    """Return the chosen runtime with its options.

    Args:
        name: one of RUNTIMES, or that of NoModel.
        tflm_source, encoding: as in export(); for "tflm" only.
        project: a folder that may contain an earlier export.

    Raises:
        ConfigError: an option is not valid, or not for this runtime.
    """
    if name == Tflm.name:
        return Tflm(find_tree(tflm_source, project), as_methods(encoding))
    for what, value in (("tflm_source", tflm_source), ("encoding", encoding)):
        if value is not None:
            raise ConfigError(
                f"{what} has no effect with runtime={name!r}.",
                f'Add runtime="tflm", or remove {what}.',
            )
    return NoModel() if name == NoModel.name else Compiled()
