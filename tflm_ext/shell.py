"""Standard streams that may be closed, and signals that end a command line program.

For the command line only: a library leaves the streams and signals of its process alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """A signal ended the program. Raised like KeyboardInterrupt, so that everything is cleaned up.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise Ended; a second signal does not interrupt the clean-up.

    A signal that was ignored at the start, for example by nohup, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]

    def end(number: int, frame: FrameType | None) -> None:
        for one in ours:
            signal.signal(one, signal.SIG_IGN)
        raise Ended(number)

    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def open_closed_streams() -> None:
    """Replace standard streams that are closed.

    Otherwise the next file that is opened would get the stream's number, and output meant for the
    terminal would be written into it. Writing to a closed standard output remains an error, as on
    a full disk; what is written to a closed standard error is lost.
    """
    modes = ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY))
    closed = [(number, mode) for number, mode in modes if not _is_open(number)]
    for number, mode in closed:
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)
    # Buffered, so that errors are raised when the buffer is flushed, not in the middle of a line.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            kind = "w" if number else "r"
            stream = io.FileIO(number, kind, closefd=False)
            buffer = io.BufferedWriter(stream) if number else io.BufferedReader(stream)
            setattr(sys, name, io.TextIOWrapper(buffer, encoding="utf-8"))


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def silence_stdout() -> None:
    """Discard what is still buffered, so that the end of the program raises no further error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def tell(lines: list[str]) -> None:
    """Print lines on standard error; ignore errors, because there is still the exit code."""
    try:
        for line in lines:
            print(line, file=sys.stderr)
        sys.stderr.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
