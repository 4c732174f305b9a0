"""Starts our Python programs quickly, each still in a separate process.

Importing NumPy and TensorFlow Lite Micro takes longer than most of these programs run. Inside
warm_python(), one process imports both, and each program runs in a fork of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tflm_ext.programs import LimitError, leash, run_program, start_program
from tflm_ext.scratch import scratch_folder

_SERVER = str(Path(__file__).resolve().with_name("server.py"))
_LIMITS = (
    resource.RLIMIT_AS,
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_STACK,
)


@contextlib.contextmanager
def warm_python() -> Iterator[None]:
    """Let all calls of run_python() inside fork one process, which starts with the first one."""
    if _shared.get() is not None:
        yield
        return
    server = _Server()
    token = _shared.set(server)
    try:
        yield
    finally:
        _shared.reset(token)
        server.close()


def run_python(
    program: Sequence[str], *, seconds: float, needs: Sequence[str]
) -> subprocess.CompletedProcess[bytes]:
    """Run a program in Python and wait until it ends; it is killed if this process is.

    Args:
        program: the path of a file, or "-m" and the name of a module, and then its arguments.
        seconds: how long it may take.
        needs: modules that the program imports; they may be imported before it starts.

    Raises:
        subprocess.TimeoutExpired: it took longer.
        LimitError: it cannot be started on this computer.
    """
    command = (sys.executable, "-P", *program)
    server = _shared.get()
    if server is not None:
        with contextlib.suppress(_ServerEnded, LimitError):
            return server.run(command, seconds, needs)
    return run_program(command, seconds=seconds, leashed=True)


class _ServerEnded(Exception):
    """The warm process is not there. Nothing is known about the program, which has to run cold."""


class _Server:
    """The warm process: server.py."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._circumstances: Any = None

    def run(
        self, command: tuple[str, ...], seconds: float, needs: Sequence[str]
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program as run_python() does.

        Raises:
            _ServerEnded: see there.
            LimitError: the warm process cannot be started.
        """
        until = time.monotonic() + seconds
        with scratch_folder() as folder:
            output, errors = folder / "output", folder / "errors"
            request = {
                "program": command[2:],
                "needs": list(needs),
                "output": str(output),
                "errors": str(errors),
            }
            try:
                status = self._ask(json.dumps(request).encode() + b"\n", until)
            except BaseException:
                self.close()  # which also ends the program
                raise
            if status is None:
                self.close()
                raise subprocess.TimeoutExpired(command, seconds)
            return subprocess.CompletedProcess(
                command, status, output.read_bytes(), errors.read_bytes()
            )

    def _ask(self, request: bytes, until: float) -> int | None:
        """Send a request; the exit status of the program, None if it has not ended in time."""
        process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # then it does not answer, either
            process.stdin.write(request)
            process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], max(0, until - time.monotonic()))
        if not ready:
            return None
        answer = process.stdout.readline()
        if not answer.endswith(b"\n"):
            raise _ServerEnded
        return int(answer)

    def _start(self) -> subprocess.Popen[bytes]:
        """The process; a new one if the limits of this computer have changed.

        Raises:
            _ServerEnded: this process is a fork of the one that started it.
            LimitError: it cannot be started.
        """
        now = (os.getpid(), sys.executable, *map(resource.getrlimit, _LIMITS))
        if self._process is not None and now != self._circumstances:
            if now[0] != self._circumstances[0]:
                raise _ServerEnded
            self.close()
        if self._process is None:
            self._process = start_program(
                leash((sys.executable, "-P", _SERVER)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._circumstances = now
        return self._process

    def close(self) -> None:
        """End the process and the program that it runs, if this is the process that started it."""
        process, self._process = self._process, None
        if process is None or self._circumstances[0] != os.getpid():
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # it ended before it read the request
                    stream.close()


_shared: ContextVar[_Server | None] = ContextVar("shared", default=None)
