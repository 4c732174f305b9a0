"""Pictures of results, drawn by matplotlib where it is installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tflm_ext.errors import ConfigError, StorageError, ToolError
from tflm_ext.storage import as_path

ENDINGS = (".png", ".svg", ".pdf")


def check_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a picture, before long work whose result it shows.

    Raises:
        ConfigError: the file has another ending.
    """
    target = as_path("picture", path)
    if target.suffix not in ENDINGS:
        raise ConfigError(
            f"A picture cannot be written as {target.name!r:.60}.",
            f"Use one of the endings {', '.join(ENDINGS)}.",
        )
    return target


def draw(path: str | os.PathLike[str], fill: Callable[[Any], None]) -> Path:
    """Write a picture, and return its path.

    Args:
        path: a .png, .svg or .pdf file.
        fill: draws on the axes of matplotlib that it receives.

    Raises:
        ConfigError: the file has another ending.
        ToolError: matplotlib is not installed.
        StorageError: the file cannot be written.
    """
    target = check_path(path)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolError(
            "Pictures need matplotlib, which is not installed.",
            'Run: python -m pip install "tflm_ext[pictures]"',
        ) from error
    figure = Figure(figsize=(10, 4), layout="constrained")
    fill(figure.subplots())
    try:
        figure.savefig(target, dpi=150, metadata=_metadata(target.suffix))
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Pass a file in a folder that can be written.",
        ) from error
    return target


def legend_above(axes: Any) -> None:
    """Put the legend above the axes, where it covers nothing; without one if nothing has a name."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
        axes.legend(handles, labels, ncols=6, fontsize=8, frameon=False, **place)


def _metadata(suffix: str) -> Mapping[str, None]:
    """Return what keeps dates out of a file, so that equal pictures are equal files."""
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix, {})
