"""Arguments that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from tflm_ext.options import DEFAULT_BOARD, DEFAULT_RUNTIME, Budget, Optimize

MODEL = ".keras or .h5 file, SavedModel folder, or int8 .tflite"


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command; `run` gets the parsed arguments and returns the exit code."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=run)
    return command


def add_model(command: argparse.ArgumentParser, what: str = MODEL, **options: Any) -> None:
    """Add the model, and the options of its export.

    Args:
        options: of the argument.
    """
    command.add_argument("model", metavar="MODEL", help=what, **options)
    command.add_argument(
        "--name", help="name of the model in C; default: derived from the folder or file"
    )
    command.add_argument(
        "--runtime",
        default=DEFAULT_RUNTIME,
        help="what runs the model: compiled (plain C, the default) or tflm (TFLM's interpreter)",
    )
    add_planning(command)


def add_planning(command: argparse.ArgumentParser) -> None:
    """Add options of the conversion and of the choice of kernels."""
    command.add_argument(
        "--calibration", metavar="NPZ", help="typical inputs, from which int8 ranges are computed"
    )
    add_board(command)
    command.add_argument(
        "--optimize",
        default=Optimize.BALANCED.value,
        help="how kernels are chosen: balanced (the default), speed or size",
    )


def add_board(command: argparse.ArgumentParser) -> None:
    """Add --board."""
    command.add_argument(
        "--board",
        default=DEFAULT_BOARD,
        help=f"target board, {DEFAULT_BOARD} by default: a name listed by tflm-ext boards, or "
        "your own .toml file; none for this computer and the emulated core alone",
    )


def add_compiler_flag(command: argparse.ArgumentParser) -> None:
    """Add --compiler-flag, which may be repeated."""
    command.add_argument(
        "--compiler-flag",
        action="append",
        default=[],
        metavar="FLAG",
        help="flag to add after the board's, like --compiler-flag=-O2; may be repeated",
    )


def add_budget(command: argparse.ArgumentParser, effect: str) -> None:
    """Add the limits of a Budget.

    Args:
        effect: what a limit does, for the help text.
    """
    limits = {
        "flash_bytes": "flash: weights and code",
        "weight_bytes": "constant tables",
        "ram_bytes": "RAM: sizeof(context)",
        "macs": "multiply-accumulate operations",
    }
    add_limits(command, {name: f"limit of {text}; {effect}" for name, text in limits.items()})


def add_limits(command: argparse.ArgumentParser, helps: Mapping[str, str]) -> None:
    """Add an option for each limit of a Budget, with its help text."""
    for name, text in helps.items():
        command.add_argument(f"--max-{name.replace('_', '-')}", type=int, metavar="N", help=text)


def budget_of(options: argparse.Namespace) -> Budget:
    """Return the limits given with the options of add_budget()."""
    return Budget(
        flash_bytes=options.max_flash_bytes,
        weight_bytes=options.max_weight_bytes,
        ram_bytes=options.max_ram_bytes,
        macs=options.max_macs,
    )


def add_json(command: argparse.ArgumentParser) -> None:
    """Add --json."""
    command.add_argument("--json", action="store_true", help="print JSON instead of text")


def methods_of(text: str | None) -> str | list[str] | None:
    """Return the methods of encoding: "auto", a list of names, or None."""
    return text.split(",") if text and text != "auto" else text or None
