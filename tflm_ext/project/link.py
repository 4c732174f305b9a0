"""lib/tflm/src of a project: a link to sources on this computer, the only link in a project."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tflm_ext.errors import StorageError
from tflm_ext.scratch import scratch_folder

LINK = "lib/tflm/src"


def link_sources(project: Path, sources: Path | None) -> None:
    """Point a project's LINK to a folder, or remove the link.

    A folder in its place, which the user made, is kept.

    Args:
        sources: absolute; None removes the link.

    Raises:
        StorageError: the link cannot be made or removed.
    """
    link = project / LINK
    try:
        if sources is None:
            _unlink(link)
        elif not link.is_dir() or link.is_symlink():
            _link(link, sources)
    except OSError as error:
        where = "removed" if sources is None else f"made a link to {sources}"
        raise StorageError(
            f"{link} cannot be {where}: {error.strerror}.",
            "Remove the file or folder, or copy the sources there yourself.",
        ) from error


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(link.parent) as beside:
        new = beside / link.name
        new.symlink_to(target, target_is_directory=True)
        os.replace(new, link)


def _unlink(link: Path) -> None:
    if link.is_symlink():
        link.unlink()
        with contextlib.suppress(OSError):  # the folder is not empty
            link.parent.rmdir()
