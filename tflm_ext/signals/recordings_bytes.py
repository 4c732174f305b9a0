"""Bytes of recordings: opened without waiting, and read without trusting what they say."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tflm_ext.errors import ConfigError, StorageError
from tflm_ext.near import did_you_mean_file
from tflm_ext.storage import shown

STDIN = "stdin"
"""Name of the standard input in messages."""
RAW = "raw:"
"""Before the path of a file with raw samples."""
SUFFIXES = (".wav", ".csv", ".tsv", ".txt", ".npy", ".raw", ".pcm")
"""Of files that can be recordings."""
FORMATS = "Pass a WAV, CSV, .npy or .raw file."
MOST_BYTES = 1 << 30
"""Of a recording; more than nine hours of sound at 16,000 samples per second."""
_PIECE = 1 << 20
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; a pipe or a device, which may never end, is refused.

    Raises:
        ConfigError: there is no such file, or it is too large.
        StorageError: it cannot be read.
    """
    where = shown(path)
    try:
        # Without O_NONBLOCK, a pipe would wait here for a program that writes to it.
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _MISSING:
            near = did_you_mean_file(path, SUFFIXES)
            raise ConfigError(f"There is no recording {where}.", f"{near}{FORMATS}") from error
        raise not_read(where, error) from error
    try:
        _check(os.fstat(number), where)
    except ConfigError:
        os.close(number)
        raise
    with os.fdopen(number, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise not_read(where, error) from error


def _check(status: os.stat_result, where: str) -> None:
    """Require a file that is not too large."""
    if stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"{where} is a folder, not a recording.", f"{FORMATS[:-1]} in it.")
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(
            f"{where} is a pipe or a device, not a file.",
            'Pass "-" and connect it to the standard input.',
        )
    if status.st_size > MOST_BYTES:
        raise too_long(where)


@contextmanager
def standard_input() -> Iterator[BinaryIO]:
    """The standard input, in bytes.

    Raises:
        ConfigError: it is closed or a terminal.
    """
    stream = sys.stdin
    if stream is None or stream.closed or stream.isatty():
        raise ConfigError(
            "There is no recording at the standard input.",
            "Pass the path of a file, or connect a program: arecord ... | tflm-ext ...",
        )
    try:
        yield stream.buffer
    except OSError as error:
        raise not_read(STDIN, error) from error


def not_read(where: str, error: OSError) -> StorageError:
    """Return the error for a file that cannot be read."""
    return StorageError(
        f"{where} cannot be read: {error.strerror or error}.",
        "Check the path, and the permissions of the file.",
    )


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings in a folder and its folders, by name; hidden ones are left out.

    Raises:
        ConfigError: there are none.
        StorageError: a folder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise not_read(shown(folder), error) from error

    found = []
    for root, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            # is_file() is false for a pipe, and for a link that leads nowhere.
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and path.is_file():
                found.append(path)
    if not found:
        raise ConfigError(
            f"The folder {shown(folder)} has no recordings.",
            f"Recordings end in {', '.join(SUFFIXES)}.",
        )
    return sorted(found)


def skip(file: BinaryIO, size: int, where: str) -> None:
    """Read past bytes; stops where the file ends.

    Raises:
        ConfigError: there are more than MOST_BYTES.
    """
    skipped = 0
    while skipped < size and (part := file.read(min(size - skipped, _PIECE))):
        skipped += len(part)
        if skipped > MOST_BYTES:
            raise too_long(where)


def read_up_to(file: BinaryIO, size: int | None, where: str) -> bytearray:
    """Return the next bytes: `size` of them, or fewer if the file ends before; None for all.

    Memory is taken for bytes that are there, not for those that a header promises.

    Raises:
        ConfigError: there are more than MOST_BYTES.
    """
    found = bytearray()
    while size is None or len(found) < size:
        wanted = _PIECE if size is None else min(_PIECE, size - len(found))
        part = file.read(wanted)
        if not part:
            break
        found += part
        if len(found) > MOST_BYTES:
            raise too_long(where)
    return found


def too_long(where: str) -> ConfigError:
    """Return the error for more than MOST_BYTES."""
    return ConfigError(
        f"{where} has more than {MOST_BYTES >> 30} GiB.", "Split it into several recordings."
    )
