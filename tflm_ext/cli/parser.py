"""The argument parser of tflm-ext."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from tflm_ext.cli import compression, export, measurement, project, system
from tflm_ext.cli.output import print_error
from tflm_ext.errors import ConfigError
from tflm_ext.version import VERSION

EXIT_CODES = """\
exit codes:
  0  success
  1  a bug in tflm-ext
  2  an argument, a name or an input file is invalid
  3  the model cannot be exported as it is
  4  the model exceeds the budget or the board, or loses too much accuracy
  5  a compiler, pio or the converter is missing or failed
  6  the C differs from TensorFlow Lite Micro, or the converter's graph from the Keras model
  7  a file cannot be written
  129  ended by SIGHUP (the terminal was closed)
  130  interrupted with Ctrl-C
  143  ended by SIGTERM
"""


class _Parser(argparse.ArgumentParser):
    """Reports invalid arguments in the same form as all other errors."""

    def error(self, message: str) -> NoReturn:
        print_error(ConfigError(f"{message}.", f"See {self.prog} --help."))
        self.exit(ConfigError.exit_code)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help or version; unlike argparse's own method, do not hide a failed write."""
        (file or sys.stderr).write(message)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` in its result is the function to call."""
    parser = _Parser(
        prog="tflm-ext",
        description="Turn Keras models into firmware, proven equal to TensorFlow Lite Micro.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tflm-ext {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for group in (export, project, compression, measurement, system):
        group.add_commands(commands)
    return parser
