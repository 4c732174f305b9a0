"""Folders for temporary files that are always removed, even if the process is killed.

A folder is locked (flock) for as long as its owner lives; the kernel releases the lock of a process
that was killed. The next process removes folders of this kind that belong to the same user and can
be locked, because their owner is certainly dead.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tflm_ext.errors import StorageError

# Earlier versions wrote tflm_ext_* without a lock; whether those are in use cannot be known.
_PREFIX = "tflm_ext-"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_swept: set[Path] = set()


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder that is removed at the end of the with statement.

    The first one in a parent folder also removes what killed processes left there.

    Args:
        parent: where it is created; None for the system's folder for temporary files.

    Raises:
        StorageError: it cannot be created, or the disk is full while it is in use.
    """
    try:
        within = Path(tempfile.gettempdir()) if parent is None else parent
    except FileNotFoundError as error:
        raise StorageError(
            "There is no writable folder for temporary files.",
            "Set TMPDIR to a writable folder.",
        ) from error
    if within not in _swept:
        _swept.add(within)
        remove_abandoned(within)
    try:
        folder, lock = _make(within)
    except OSError as error:
        raise _storage_error(within, error) from error
    try:
        yield folder
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise _storage_error(within, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(parent: Path) -> None:
    """Remove folders whose owners are dead; never one that is in use or belongs to another user.

    A failure here is not an error: the folders stay until the next process tries.
    """
    with contextlib.ExitStack() as stack:
        try:
            root = os.open(parent, _FOLDER & ~os.O_NOFOLLOW)
            stack.callback(os.close, root)
            names = [name for name in os.listdir(root) if name.startswith(_PREFIX)]
        except OSError:
            return
        for name in names:
            with contextlib.suppress(OSError):
                _remove_if_abandoned(root, name)


def _remove_if_abandoned(root: int, name: str) -> None:
    """Remove a folder through descriptors, so that a link in its place is not followed."""
    folder = os.open(name, _FOLDER, dir_fd=root)  # fails for links and files
    try:
        about = os.fstat(folder)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) != 0o700:
            return
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.name, dir_fd=folder)
            else:
                os.unlink(entry.name, dir_fd=folder)
        os.rmdir(name, dir_fd=root)
    finally:
        os.close(folder)


def _make(parent: Path) -> tuple[Path, int]:
    """Create a locked folder, and return it with the descriptor that holds its lock.

    Another process may find it before it is locked, and remove it as abandoned; then a new one is
    created.
    """
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).absolute()
        try:
            lock = os.open(folder, _FOLDER)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists():
                return folder, lock
        except BlockingIOError:
            pass
        except OSError:
            # The file system has no locks, so no folder on it is ever considered abandoned.
            return folder, lock
        os.close(lock)


def _storage_error(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The folder for temporary files, {folder}, cannot be written: {error.strerror or error}.",
        "Free some space there, or set TMPDIR to a different folder.",
    )
