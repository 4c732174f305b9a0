"""Errors of the file system, each with a hint that fits its cause."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from tflm_ext.errors import ConfigError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
# File systems like /proc, in which a program cannot create anything, return these.
_NOT_A_DISK = (errno.ENOENT, errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.ENXIO, errno.ENOTSUP)
_BLOCKED = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY)
_LONGEST = 200  # characters of a path in a message


def not_written(
    path: str | os.PathLike[str], error: OSError, then: str = "try again"
) -> StorageError:
    """Return the error for a file or folder that cannot be written.

    Args:
        path: what the user wanted to be written.
        error: why it cannot be.
        then: what to do after there is space again, like "export the model again".
    """
    return StorageError(f"{shown(path)} could not be written: {reason(error)}.", hint(error, then))


def reason(error: OSError) -> str:
    """Return the operating system's text for an error."""
    if error.errno in _NOT_A_DISK:
        return "nothing can be created there"
    return error.strerror or str(error)


def hint(error: OSError, then: str) -> str:
    """Return what to do about a file or folder that cannot be written."""
    if error.errno in _FULL:
        return f"Free some space, then {then}."
    if error.errno in _FORBIDDEN:
        return "Choose a writable folder, or fix the permissions."
    if error.errno == errno.ENAMETOOLONG:
        return "Choose a shorter name."
    if error.errno in _BLOCKED:
        return "Something else has that name. Choose a different one, or remove it."
    if error.errno in _NOT_A_DISK:
        return "Choose a folder on a disk, for example in your home folder."
    return "Choose a different folder, or check the disk."


def check_writable(folder: Path, *names: str) -> None:
    """Check that files can be created in a folder, by creating and removing an empty folder.

    Permissions alone do not tell: in /proc, even root cannot create anything.

    Args:
        folder: an existing folder.
        names: of the files that will be written, which can be too long.

    Raises:
        OSError: the one that creating such a file would end with.
    """
    longest = os.pathconf(folder, "PC_NAME_MAX")
    if any(len(os.fsencode(name)) > longest for name in names):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    os.rmdir(tempfile.mkdtemp(prefix="tflm_ext-", dir=folder))


def require_folders(path: Path, what: str = "folder") -> None:
    """Refuse a path that leads through a file.

    Args:
        path: of a file or folder to be written; it need not exist.
        what: what the path is, for the hint.

    Raises:
        ConfigError: a part of the path is a file, or the path has a null character.
    """
    _refuse_null(path, what)
    for parent in path.parents:
        if os.path.lexists(parent):
            if not parent.is_dir():
                raise ConfigError(
                    f"{shown(path)} cannot be written, because {parent} is not a folder.",
                    f"Choose a different {what}.",
                )
            return


def as_path(what: str, given: object) -> Path:
    """Return an argument that must be a path.

    Raises:
        ConfigError: it is not one, or has a null character.
    """
    if not isinstance(given, str | os.PathLike):
        raise ConfigError(f"{what} is a {type(given).__name__}, not a path.", "Pass its path.")
    path = Path(given)
    _refuse_null(path, what)
    return path


def _refuse_null(path: Path, what: str) -> None:
    if "\0" in str(path):
        raise ConfigError(
            f"The path {str(path)!a} has a null character.", f"Choose a different {what}."
        )


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path for a message: the end of a very long one is left out."""
    text = os.fspath(path)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
