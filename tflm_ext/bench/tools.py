"""Compilers and the programs that come with them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tflm_ext.errors import ToolError
from tflm_ext.programs import limit_error, run_program

_SECONDS = 600.0


def run_tool(command: Sequence[str]) -> str:
    """Run a program, and return its output.

    Raises:
        ToolError: the program is missing, fails, or does not finish.
        StorageError: the disk is full.
    """
    try:
        done = run_program(command, seconds=_SECONDS, variables={"LC_ALL": "C"})
    except FileNotFoundError as error:
        raise ToolError(
            f"{command[0]} was not found.",
            "Run tflm-ext doctor to see what is missing, and how to install it.",
            command=tuple(command),
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"{command[0]} did not finish within {_SECONDS:.0f} s.",
            "Check the compiler with tflm-ext doctor.",
            command=tuple(command),
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace")
        limit = limit_error(command[0], done.returncode, said, command)
        if limit is not None:
            raise limit
        first = next((line for line in said.splitlines() if "error" in line), said[:200])
        raise ToolError(
            f"{command[0]} failed: {first.strip()}",
            "Run tflm-ext doctor to check the compiler; TFLM's sources may be incomplete.",
            command=tuple(command),
            output=said,
        )
    return done.stdout.decode("utf-8", "replace")
