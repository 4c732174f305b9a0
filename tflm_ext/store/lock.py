"""A lock for each session, so that two programs never write the same files.

The kernel releases it if its holder dies; the file that may remain locks nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from tflm_ext.storage import not_written

FOLDER = ".tflm_ext"
"""Folder of locks in a store."""


class Lock:
    """Holds a session until release()."""

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number

    @classmethod
    def take(cls, root: Path, session: str) -> Lock | None:
        """Return the lock of a session; None if another program or writer holds it.

        Raises:
            StorageError: the file cannot be written, or its file system cannot lock.
        """
        # Names that differ in case are the same file on some systems.
        path = root / FOLDER / f"{session.casefold()}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
                try:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    os.close(number)
                    if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                        return None
                    raise
                if _is_at(path, number):
                    return cls(path, number)
                os.close(number)  # the holder before has removed the file
        except OSError as error:
            raise not_written(path, error) from error

    def release(self) -> None:
        """Let others have the session. Idempotent."""
        if self._number < 0:
            return
        with suppress(OSError):
            self._path.unlink()
        # A forked process may have inherited the number, so closing alone would not unlock.
        with suppress(OSError):
            fcntl.flock(self._number, fcntl.LOCK_UN)
        os.close(self._number)
        self._number = -1


def _is_at(path: Path, number: int) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(number), path.stat())
    except FileNotFoundError:
        return False
