"""tflm-ext: the command line. Prints problem and hint, and returns the error's exit code."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence

from tflm_ext.cli.output import print_error
from tflm_ext.cli.parser import make_parser
from tflm_ext.errors import StorageError, TflmExtError, ToolError
from tflm_ext.programs import limit_error
from tflm_ext.shell import Ended, open_closed_streams, signals_as_interrupts, silence_stdout, tell

_PACKAGES = {"serial": "pyserial", "SCons": "scons"}  # whose name is not that of the module


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: of the command line, without the program; None takes sys.argv.

    Returns:
        The exit code.
    """
    open_closed_streams()
    with signals_as_interrupts():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    """Run one command, and say every error in two lines; returns the exit code."""
    try:
        return _run_command(arguments)
    except TflmExtError as error:
        print_error(error)
        return error.exit_code
    except Ended as signalled:
        tell([f"ended by {signalled}"])
        return 128 + signalled.number
    except KeyboardInterrupt:
        tell(["interrupted"])
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone; say nothing, and let Python not say it either.
        silence_stdout()
        return 0
    except (MemoryError, ImportError, OSError) as error:
        found = _explained(error)
        if found is None:
            raise
        if isinstance(error, OSError):
            silence_stdout()
        print_error(found)
        return found.exit_code


def _run_command(arguments: Sequence[str] | None) -> int:
    try:
        options = make_parser().parse_args(arguments)
    except SystemExit:  # of --help, --version, and arguments that cannot be used
        sys.stdout.flush()
        raise
    command: Callable[[argparse.Namespace], int] = options.command
    code = command(options)
    sys.stdout.flush()
    return code


def _explained(error: MemoryError | ImportError | OSError) -> TflmExtError | None:
    """What of this computer is behind an error of Python; None if it is a bug of ours."""
    if isinstance(error, OSError):
        return StorageError(
            f"{error.filename or 'The output'} could not be read or written: "
            f"{error.strerror or error}.",
            "Mend the permissions, or free some space, and run the command again.",
        )
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "").partition(".")[0]
        package = _PACKAGES.get(name, name)
        if package in ("", "tflm_ext"):
            return None
        return ToolError(
            f"The Python package {package} is missing.",
            f"Run: {shlex.quote(sys.executable)} -m pip install {package}",
        )
    said = "MemoryError" if isinstance(error, MemoryError) else str(error)
    return limit_error("This program", 1, said)
