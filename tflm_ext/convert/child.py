"""The parent's side of the converter's child process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import tflm_ext.errors
from tflm_ext.errors import TflmExtError
from tflm_ext.programs import leash, start_program

Progress = Callable[[str], None]

# Seconds of processor time for loading a model; the largest take twenty.
PATIENCE = 60

ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONIOENCODING": "utf-8",
    # HDF5 loads no filters from shared libraries, whatever a file asks for.
    "HDF5_PLUGIN_PRELOAD": "::",
}


class ChildEnded(Exception):
    """The child process ended without sending an answer.

    Attributes:
        code: its exit status; negative is the signal that killed it.
        log: everything it printed.
    """

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"exit status {code}")
        self.code = code
        self.log = log


class Child:
    """A process that serves requests until it is closed; its output goes to a log.

    Use it in a with statement, which always ends the process, even after Ctrl-C. The process starts
    with the first request, and again with the first request after a crash.

    Args:
        log: file for the output of the process.
        program: module to run; receives the number of the file descriptor for its answers.
    """

    def __init__(self, log: Path, program: str = "tflm_ext.convert.worker") -> None:
        self.log = log
        self.program = program
        self._process: subprocess.Popen[str] | None = None
        self._answers: TextIO | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def command(self) -> list[str]:
        # -P: a tensorflow.py in the current folder is not TensorFlow.
        return [sys.executable, "-P", "-m", self.program]

    def start(self) -> None:
        """Start the process unless it is running; it takes seconds to import TensorFlow."""
        if self._process is not None:
            return
        read, write = os.pipe()
        path = os.pathsep.join(entry for entry in sys.path if entry)
        with self.log.open("wb") as log:
            try:
                self._process = start_program(
                    leash([*self.command, str(write)]),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(write,),
                    start_new_session=True,
                    text=True,
                    # Files that TensorFlow leaves in the temporary folder are treated like the log.
                    env={
                        **os.environ,
                        **ENVIRONMENT,
                        "PYTHONPATH": path,
                        "TMPDIR": str(self.log.parent),
                    },
                )
            finally:
                os.close(write)
        self._answers = os.fdopen(read, encoding="utf-8")

    def close(self) -> None:
        """Kill the process if it is running."""
        if self._process is None or self._answers is None or self._process.stdin is None:
            return
        self._process.kill()
        self._process.wait()
        self._answers.close()
        with contextlib.suppress(BrokenPipeError):  # it ended before it read the request
            self._process.stdin.close()
        self._process = None

    def ask(self, do: str, progress: Progress, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            ChildEnded: the process crashed or raised; the next request starts a new one.
            TflmExtError: the child raised an error; the class is the same.
        """
        self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._answers is not None
        with contextlib.suppress(BrokenPipeError):  # it has already ended; no answer will come
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
        for line in self._answers:
            answer = json.loads(line)
            if "progress" in answer:
                progress(answer["progress"])
            elif "error" in answer:
                kind: type[TflmExtError] = getattr(tflm_ext.errors, answer["error"])
                raise kind(answer["problem"], answer["hint"], **answer["more"])
            else:
                result: dict[str, Any] = answer["result"]
                return result
        code = self._process.wait()
        self.close()
        raise ChildEnded(code, self.output())

    def output(self) -> str:
        """Everything that the process has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")
