"""The file that was passed as the model, which an export into its folder leaves alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tflm_ext.errors import ConfigError
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.listing import HOME

_MOVE = "Move the file to another folder, and export it from there."


def check_not_temporary(root: Path, spared: Path | None) -> None:
    """Raise ConfigError if the file is in the folder that every export empties.

    Args:
        root: the project, links resolved.
        spared: the file; None if the model is not a file.
    """
    if spared and _real(spared).is_relative_to(root / HOME):
        raise ConfigError(f"{spared} is in the folder for temporary files of tflm_ext.", _MOVE)


def check_not_replaced(root: Path, new: Mapping[str, RenderedFile], spared: Path | None) -> None:
    """Raise ConfigError if the file is in the place of a generated one with other content."""
    for path, file in new.items() if spared else ():
        place = root / path
        if spared and place == _real(spared) and place.read_bytes() != file.content:
            raise ConfigError(
                f"{spared} is where the project keeps its own model, which is a different one.",
                _MOVE,
            )


def removable(old: Mapping[str, str], root: Path, spared: Path | None) -> Mapping[str, str]:
    """Return the generated files that may be removed, with their SHA-256."""
    kept = spared and _real(spared)
    return {path: sha256 for path, sha256 in old.items() if root / path != kept}


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
