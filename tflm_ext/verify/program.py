"""Programs that may hang and must not outlive us, and the folders that they work in."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tflm_ext.errors import StorageError

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for temporary files, gone at the end of the with statement.

    Raises:
        StorageError: no room for it or for what is written there.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="tflm_ext_") as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise StorageError(
            f"The folder for temporary files, {tempfile.gettempdir()}, could not be written: "
            f"{error.strerror}.",
            "Free some space there, or set TMPDIR to another folder.",
        ) from error


def run_program(
    command: Sequence[str],
    *,
    seconds: float,
    folder: Path | None = None,
    data: bytes = b"",
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program with all that it starts, and wait for its end.

    Args:
        seconds: how long it may take.
        folder: where it runs.
        data: its standard input.
        variables: of the environment, besides ours.

    Raises:
        subprocess.TimeoutExpired: time is up. Then, at Ctrl-C and at any other error, the program
            and its children are killed.
    """
    with subprocess.Popen(
        command,
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
            process.wait()  # at Ctrl-C, leaving the with statement would not
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
