"""The command line, tflm-ext. An error prints a problem and a hint, and sets the exit code."""

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

# Packages that are not named like their modules.
_PACKAGES = {"serial": "pyserial", "SCons": "scons"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after the program's name; None takes them from sys.argv.

    Returns:
        The exit code.
    """
    open_closed_streams()
    with signals_as_interrupts():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    """Run one command and report every error in two lines; returns the exit code."""
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
        # The reader of the output has gone: print nothing, and keep Python from complaining.
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
    except SystemExit:  # raised by --help, --version and invalid arguments
        sys.stdout.flush()
        raise
    command: Callable[[argparse.Namespace], int] = options.command
    code = command(options)
    sys.stdout.flush()
    return code


def _explained(error: MemoryError | ImportError | OSError) -> TflmExtError | None:
    """Return the limit or fault of this computer that caused an error; None for our own bugs."""
    if isinstance(error, OSError):
        return StorageError(
            f"{error.filename or 'The output'} could not be read or written: "
            f"{error.strerror or error}.",
            "Fix the permissions or free some space, then run the command again.",
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
