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
  0  done
  1  a bug of tflm-ext
  2  an argument, a name or a file cannot be used
  3  the model cannot be exported as it is
  4  the model exceeds the budget or the board, or loses too much accuracy
  5  a compiler, pio or the converter is missing or failed
  6  the C differs from TensorFlow Lite Micro, or the graph to be converted from the Keras model
  7  a file cannot be written
  129  ended by SIGHUP: the terminal was closed
  130  interrupted with Ctrl-C
  143  ended by SIGTERM
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments as every other error is said."""

    def error(self, message: str) -> NoReturn:
        print_error(ConfigError(f"{message}.", f"See {self.prog} --help."))
        self.exit(ConfigError.exit_code)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and version; argparse's own hides that they could not be written."""
        (file or sys.stderr).write(message)


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tflm-ext",
        description="From a Keras model to firmware, proven equal to TensorFlow Lite Micro.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tflm-ext {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for group in (export, project, compression, measurement, system):
        group.add_commands(commands)
    return parser
