"""Runs the programs that write .tflite files, each in a separate process."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import UnsupportedModelError
from tflm_ext.programs import limit_error
from tflm_ext.scratch import scratch_folder
from tflm_ext.warm import run_python

Array: TypeAlias = np.ndarray[Any, Any]
_SECONDS = 60.0  # for a rewrite that takes less than one
_NEEDS = ("numpy", "tflm_ext.rewrite.tree")


def run_rewrite(module: str, model: bytes, changes: Mapping[str, Array]) -> bytes:
    """The model that a program makes of another.

    Args:
        module: of the program, whose arguments are the path of an .npz with `model` and the
            changes, and the path of the file to write.
        model: bytes of a .tflite.
        changes: arrays by name.

    Raises:
        UnsupportedModelError: the program failed, because the file is damaged.
        ToolError, StorageError: a limit of this computer.
    """
    with scratch_folder() as folder:
        request, response = folder / "request.npz", folder / "response.tflite"
        arrays: dict[str, Any] = {"model": np.frombuffer(model, np.uint8), **changes}
        np.savez(request, **arrays)
        program = ("-m", module, str(request), str(response))
        try:
            done = run_python(program, seconds=_SECONDS, needs=_NEEDS)
        except subprocess.TimeoutExpired:
            done = None
        if done is not None and done.returncode == 0:
            return response.read_bytes()
        said = "" if done is None else done.stderr.decode("utf-8", "replace")
        limit = limit_error("Python", done.returncode, said, done.args) if done else None
        if limit is not None:
            raise limit
        last = (said.strip().splitlines() or ["it did not finish within a minute"])[-1]
        raise UnsupportedModelError(
            f"The .tflite cannot be rewritten: {last[:300]}",
            "Pass the file as the converter wrote it; this one may be damaged.",
        )
