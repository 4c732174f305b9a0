"""Runs TensorFlow Lite Micro's own interpreter in a child process, because it may crash.

The child is tflm_child.py; parent and child exchange .npz files in a temporary folder. The
interpreter's output is not shown on the terminal.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import ToolError, UnsupportedModelError
from tflm_ext.programs import limit_error
from tflm_ext.scratch import scratch_folder
from tflm_ext.warm import run_python

Array: TypeAlias = np.ndarray[Any, Any]
_CHILD = str(Path(__file__).resolve().with_name("tflm_child.py"))
_NEEDS = ("numpy", "tflite_micro.python.tflite_micro.runtime")

# Far more than any model for a microcontroller needs on a busy computer.
_SECONDS = 120.0
_SECONDS_PER_VECTOR = 10.0


class InterpreterCrash(ToolError):
    """TFLM's interpreter crashed.

    Args:
        name: of the signal.
        vector: number of the input that was running; None if it had not started.
    """

    def __init__(self, name: str, vector: int | None, command: tuple[str, ...], said: str) -> None:
        place = "" if vector is None else f", input {vector}"
        super().__init__(
            f"TensorFlow Lite Micro's interpreter crashed on this model ({name}{place}).",
            "Check the model with a TensorFlow Lite interpreter; the file may be damaged.",
            command=command,
            output=said,
        )
        self.vector = vector


@dataclass(frozen=True, slots=True)
class TflmRun:
    """Results of TFLM.

    Attributes:
        outputs: an array (vectors, *shape) for each output of the model.
        tensors: the requested tensors, likewise, by tensor number.
        arena_bytes: bytes of the arena that the interpreter used, with 64-bit pointers.
    """

    outputs: tuple[Array, ...]
    tensors: Mapping[int, Array]
    arena_bytes: int


def run_tflm(
    model: bytes,
    inputs: Sequence[Array],
    output_count: int,
    *,
    arena_bytes: int,
    reset_each: bool = False,
    tensors: Sequence[int] = (),
) -> TflmRun:
    """Run a model on vectors, one after another in one interpreter.

    Args:
        model: bytes of the .tflite.
        inputs: an array (vectors, *shape) for each input of the model.
        output_count: number of outputs of the model.
        arena_bytes: must be generous: TFLM may crash if it is too small.
        reset_each: reset the state of recurrent operators before each vector.
        tensors: numbers of intermediate tensors to return, too.

    Raises:
        UnsupportedModelError: TFLM refuses the model.
        ToolError: the interpreter is missing, crashes or hangs.
        StorageError: the disk is full.
    """
    with scratch_folder() as folder:
        request, response = folder / "request.npz", folder / "response.npz"
        progress = folder / "progress"
        numbers = [len(inputs), output_count, arena_bytes, reset_each, *tensors]
        arrays: dict[str, Any] = {f"input{i}": array for i, array in enumerate(inputs)}
        arrays["model"] = np.frombuffer(model, np.uint8)
        arrays["numbers"] = np.array(numbers, np.int64)
        np.savez(request, **arrays)
        program = (_CHILD, str(request), str(response), str(progress))
        seconds = _SECONDS + _SECONDS_PER_VECTOR * len(inputs[0])
        try:
            done = run_python(program, seconds=seconds, needs=_NEEDS)
        except subprocess.TimeoutExpired as error:
            raise ToolError(
                f"TensorFlow Lite Micro's interpreter did not finish within {seconds:.0f} s.",
                "Check the model with a TensorFlow Lite interpreter; the file may be damaged.",
                command=tuple(error.cmd),
            ) from error
        printed = done.stderr.decode("utf-8", "replace")
        started = progress.read_bytes() if progress.exists() else b""  # empty before the first
        vector = int(started) if started else None
        _raise_for(done.returncode, printed, tuple(done.args), vector)
        used = re.search(r"Arena allocation total (\d+) bytes", printed)
        with np.load(response) as archive:
            return TflmRun(
                outputs=tuple(archive[name] for name in archive.files if name.startswith("output")),
                tensors={
                    int(name.removeprefix("tensor")): archive[name]
                    for name in archive.files
                    if name.startswith("tensor")
                },
                arena_bytes=int(used[1]) if used else 0,
            )


def _raise_for(status: int, printed: str, command: tuple[str, ...], vector: int | None) -> None:
    """Raise what the end of the child means.

    Args:
        status: its exit status; negative for a signal.
        printed: on its standard error.
        command: that started it.
        vector: number of the input that it ran last; None if it had not begun.
    """
    limit = None
    if status != 0:
        limit = limit_error("TensorFlow Lite Micro's interpreter", status, printed, command)
    if limit is not None:
        raise limit
    if status < 0:
        raise InterpreterCrash(signal.Signals(-status).name, vector, command, printed)
    if "ImportError" in printed or "ModuleNotFoundError" in printed:
        raise ToolError(
            "TensorFlow Lite Micro's interpreter, the package tflite-micro, cannot be loaded.",
            f"Run: {sys.executable} -m pip install --force-reinstall tflite-micro",
            command=command,
            output=printed,
        )
    if status != 0:
        said = [line for line in printed.splitlines() if line.strip()]
        reason = " ".join(line for line in said if not line.startswith(("Traceback", " ")))
        raise UnsupportedModelError(
            f"TensorFlow Lite Micro refuses this model: {reason[:300]}",
            "Convert the model again; see docs/reference/operators.md for what is supported.",
        )


def run_outputs(
    model: bytes, inputs: Sequence[Array], output_count: int, arena_bytes: int
) -> tuple[Array, ...]:
    """Return only the outputs; read_graph() uses this to turn float islands into tables."""
    return run_tflm(model, inputs, output_count, arena_bytes=arena_bytes).outputs
