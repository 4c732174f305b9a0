"""lib/tflm/src of a project: a link to sources on this computer, the only link there is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tflm_ext.errors import StorageError
from tflm_ext.scratch import scratch_folder

LINK = "lib/tflm/src"


def link_sources(project: Path, sources: Path | None) -> None:
    """Let LINK of a project lead to a folder, or take the link away without one.

    A folder that the user put there stays.

    Args:
        sources: absolute.

    Raises:
        StorageError: the link cannot be made or taken away.
    """
    link = project / LINK
    try:
        if sources is None:
            _unlink(link)
        elif not link.is_dir() or link.is_symlink():
            _link(link, sources)
    except OSError as error:
        where = "taken away" if sources is None else f"made a link to {sources}"
        raise StorageError(
            f"{link} cannot be {where}: {error.strerror}.",
            "Free the place, or copy the tree there yourself.",
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
        with contextlib.suppress(OSError):  # the folder has other files
            link.parent.rmdir()
