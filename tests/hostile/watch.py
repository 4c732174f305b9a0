"""Which files of a folder are opened, by whatever program, as Linux tells (inotify(7))."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPENED = 0x20
_NONBLOCKING = 0o4000
_HEADER = 16  # of an event: watch, mask, cookie, and the length of the name that follows


@contextmanager
def opened_files(folder: Path) -> Iterator[list[str]]:
    """A list that holds, after the with statement, the names of the files that were opened."""
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.inotify_init1(_NONBLOCKING)
    if queue < 0 or libc.inotify_add_watch(queue, os.fsencode(folder), _OPENED) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    names: list[str] = []
    try:
        yield names
        try:
            events = os.read(queue, 1 << 16)
        except BlockingIOError:
            events = b""
        while events:
            length = int.from_bytes(events[12:16], "little")
            name = events[_HEADER : _HEADER + length].rstrip(b"\0").decode()
            if name:
                names.append(name)
            events = events[_HEADER + length :]
    finally:
        os.close(queue)
