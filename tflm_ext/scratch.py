"""Folders for temporary files: gone when they are no longer needed, whatever ends the process.

A folder is locked (flock) for as long as its owner lives; the kernel takes the lock away from a
process that was killed. The next start removes folders of this kind that belong to the same user
and can be locked, so that their owner is certainly dead.
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

# Earlier versions wrote tflm_ext_*, without a lock: whether those are alive nobody can know.
_PREFIX = "tflm_ext-"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_swept: set[Path] = set()


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder of this process, gone at the end of the with statement.

    The first one in a parent folder also removes what killed processes left there.

    Args:
        parent: where it is made; None is the system's folder for temporary files.

    Raises:
        StorageError: there is no room for it or for what is written there.
    """
    try:
        within = Path(tempfile.gettempdir()) if parent is None else parent
    except FileNotFoundError as error:
        raise StorageError(
            "There is no folder for temporary files that can be written.",
            "Let TMPDIR name a folder that you may write to.",
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
    """Remove the folders in it whose owners are dead; never one of another user, nor a live one.

    Nothing that goes wrong here is an error: the folders stay until the next start.
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
    """All through descriptors: what another user puts in the place meanwhile is not touched."""
    folder = os.open(name, _FOLDER, dir_fd=root)  # no link, no file
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
    """A locked folder and the descriptor that holds its lock.

    A start of another process may find it before it is locked, and take it for abandoned: then
    another one is made.
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
            # A file system without locks, where nobody can take the folder for abandoned.
            return folder, lock
        os.close(lock)


def _storage_error(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The folder for temporary files, {folder}, could not be written: "
        f"{error.strerror or error}.",
        "Free some space there, or set TMPDIR to another folder.",
    )
