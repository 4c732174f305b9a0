"""Runs programs that may hang and must not outlive this process; recognises limits they exceed.

A program that fails for lack of memory, processes, CPU time or disk space proves nothing about the
model or the C. Such a failure becomes a LimitError, only here.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tflm_ext.errors import StorageError, TflmExtError, ToolError

# Asks the kernel to kill the program when this process ends (PR_SET_PDEATHSIG, which survives
# exec), then becomes the program; exits at once if this process has ended already. It imports as
# little as possible: the module signal would take a third of its time.
_LEASH = f"""\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, {signal.SIGKILL:d})
if os.getppid() == int(sys.argv[1]):
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.exit(f"{{sys.argv[2]}} cannot be started: {{error.strerror}}")
"""

_TEXTS = {
    "memory": (
        r"\bMemoryError\b|std::bad_alloc|[Cc]annot allocate memory|\bENOMEM\b|out of memory"
        r"|virtual memory exhausted|AddressSanitizer failed to allocate|ReserveShadowMemoryRange"
        r"|unable to mmap|failed to map segment|Shadow memory range interleaves"
        r"|Killed signal terminated|ResourceExhaustedError"
    ),
    "processes": (
        r"Resource temporarily unavailable|can't start new thread|cannot fork"
        r"|pthread_create failed|Thread creation .*failed"
    ),
    "time": r"CPU time limit exceeded",
    "file size": r"File size limit exceeded|File too large",
    "tracing": r"LeakSanitizer has encountered a fatal error|LeakSanitizer does not work under",
    "start": r"(?m)^\S+ cannot be started: ",
    "preloading": r"runtime does not come first in initial library list",
}
_SIGNALS = {
    signal.SIGKILL: "memory",
    signal.SIGXCPU: "time",
    signal.SIGXFSZ: "file size",
    signal.SIGTERM: "ended",
    signal.SIGHUP: "ended",
    signal.SIGINT: "ended",
    signal.SIGQUIT: "ended",
}
_DISK = re.compile(r"No space left on device|Disk quota exceeded")


class LimitError(ToolError):
    """A program failed because of this computer or its user, not because of the model or the C."""


def limit_error(
    what: str, status: int, said: str, command: Sequence[str] = ()
) -> TflmExtError | None:
    """Return the limit of this computer that made a program fail; None if there is no sign of one.

    Args:
        what: the program's name, for messages.
        status: its exit status, negative for a signal; not 0.
        said: its error output.
        command: the command that started it.
    """
    if _DISK.search(said):
        return StorageError(
            f"The disk is full: {what} could not write its files.",
            "Free some space, or set TMPDIR to a different folder.",
        )
    number = _signal(status)
    found = _SIGNALS.get(number) if number else None
    if found is None:
        found = next((kind for kind, text in _TEXTS.items() if re.search(text, said)), None)
    if found is None:
        return None
    problem, hint = _explain(found, what, status)
    return LimitError(problem, hint, command=tuple(command), output=said)


def _signal(status: int) -> signal.Signals | None:
    try:
        return signal.Signals(-status) if status < 0 else signal.Signals(status - 128)
    except ValueError:
        return None


def _explain(kind: str, what: str, status: int) -> tuple[str, str]:
    """Return problem and hint."""
    number = _signal(status)
    by = f" ({number.name})" if number else ""
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    limit = "" if space == resource.RLIM_INFINITY else f"; ulimit -v allows {space >> 10:,} KiB"
    seconds = resource.getrlimit(resource.RLIMIT_CPU)[0]
    limit += "" if seconds == resource.RLIM_INFINITY else f"; ulimit -t allows {seconds} s"
    return {
        "memory": (
            f"{what} ran out of memory{by}{limit}.",
            "Raise the limit (ulimit -v unlimited, or the container's limit), or free some RAM.",
        ),
        "start": (
            f"{what} cannot be started on this computer.",
            "Set TMPDIR to a folder on a disk that is not mounted noexec.",
        ),
        "processes": (
            f"{what} could not start another process or thread{by}: their number is limited.",
            "Raise the limit (ulimit -u, or the container's limit), or close other programs.",
        ),
        "time": (
            f"{what} exceeded the CPU time limit{by}.",
            "Raise the limit: ulimit -t unlimited",
        ),
        "file size": (
            f"{what} exceeded the file size limit{by}.",
            "Raise the limit: ulimit -f unlimited",
        ),
        "tracing": (
            f"{what} failed in the leak check, which does not work under a debugger.",
            "Run it without strace or gdb, or give the container the capability SYS_PTRACE.",
        ),
        "preloading": (
            f"{what} failed because LD_PRELOAD loads a library before the sanitizer.",
            "Run it without LD_PRELOAD.",
        ),
        "ended": (f"{what} was terminated from outside{by}.", "Run the command again."),
    }[kind]


def run_program(
    command: Sequence[str],
    *,
    seconds: float,
    folder: Path | None = None,
    data: bytes = b"",
    variables: Mapping[str, str] | None = None,
    leashed: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program and wait until it ends.

    After a timeout, Ctrl-C or any other error, the program and its children are killed.

    Args:
        seconds: how long it may take.
        folder: its working directory; None for the current one.
        data: its standard input.
        variables: environment variables, in addition to those of this process.
        leashed: let the kernel kill it if this process is killed; for programs that run long.

    Raises:
        subprocess.TimeoutExpired: it took longer.
        FileNotFoundError: there is no such program; never raised if it is leashed.
        LimitError: it cannot be started on this computer.
    """
    with start_program(
        leash(command) if leashed else command,
        cwd=folder,
        env={**os.environ, **(variables or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(data, timeout=seconds)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()  # after Ctrl-C, leaving the with statement does not wait
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def start_program(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Popen that raises LimitError if this computer does not allow the start.

    Raises:
        FileNotFoundError: there is no such program.
        LimitError: it may not be executed, or no process can be created.
    """
    try:
        return subprocess.Popen(command, **options)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LimitError(
            f"{Path(command[0]).name} cannot be started: {error.strerror}.",
            "Raise the limits of memory and processes (ulimit -a shows them), and set TMPDIR to a "
            "folder on a disk that is not mounted noexec.",
            command=tuple(command),
        ) from error


def leash(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command for the same program that the kernel kills if this process is killed.

    The kernel watches the thread that starts it, not the whole process.
    """
    return (sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *command)
