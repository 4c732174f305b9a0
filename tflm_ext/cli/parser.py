"""The argument parser of tflm-ext."""

from __future__ import annotations

import argparse
import itertools
import sys
from typing import Any, NoReturn

from tflm_ext.cli import (
    compression,
    devices,
    export,
    measurement,
    project,
    recordings,
    system,
)
from tflm_ext.cli.output import print_error
from tflm_ext.errors import ConfigError
from tflm_ext.near import did_you_mean
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

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse unknown arguments where the options of their command are known."""
        self._words = sys.argv[1:] if args is None else list(args)
        found, others = super().parse_known_args(args, namespace)
        if others:
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return found, others

    def error(self, message: str) -> NoReturn:
        hint = f"{self._suggestion()}See {self.prog} --help."
        print_error(ConfigError(f"{message}.", hint))
        self.exit(ConfigError.exit_code)

    def _suggestion(self) -> str:
        """Return "Did you mean --data? " for the first unknown option or command, else "".

        An unknown option can cause an error about another one: without its -o, which is required,
        `export net.keras --ouput net` is incomplete.
        """
        options = self._option_string_actions
        commands = next((a.choices for a in self._actions if a.nargs == argparse.PARSER), None)
        for word in itertools.takewhile(lambda word: word != "--", self._words):
            name = word.partition("=")[0]
            if not name.startswith("-"):
                if commands is not None:
                    return "" if name in commands else did_you_mean(name, commands)
            elif f"-{name}" in options or not (
                name[:2] in options or any(option.startswith(name) for option in options)
            ):
                return did_you_mean(name, options)
        return ""

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
    for group in (export, project, devices, recordings, compression, measurement, system):
        group.add_commands(commands)
    return parser
