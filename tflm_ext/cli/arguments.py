"""Arguments that several commands have in common, and what they stand for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from tflm_ext.options import Budget, Optimize, Runtime

MODEL = ".keras, .h5, SavedModel folder, or int8 .tflite"


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=run)
    return command


def add_model(command: argparse.ArgumentParser, what: str = MODEL) -> None:
    command.add_argument("model", metavar="MODEL", help=what)
    command.add_argument("--name", help="C identifier; default: from the folder or file")
    command.add_argument(
        "--runtime", default=Runtime.COMPILED.value, help="compiled (default) or tflm"
    )
    add_planning(command)


def add_planning(command: argparse.ArgumentParser) -> None:
    command.add_argument("--calibration", metavar="NPZ", help="real inputs for the int8 ranges")
    command.add_argument("--board", default="nano33ble_sense", help="see tflm-ext boards")
    command.add_argument(
        "--optimize", default=Optimize.BALANCED.value, help="balanced, speed or size"
    )


def add_compiler_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--compiler-flag",
        action="append",
        default=[],
        metavar="FLAG",
        help="after the board's, like --compiler-flag=-O2",
    )


def add_budget(command: argparse.ArgumentParser, consequence: str) -> None:
    for limit, text in (
        ("flash-bytes", "weights and code"),
        ("weight-bytes", "constant tables"),
        ("ram-bytes", "sizeof(context)"),
        ("macs", "multiply-accumulate operations"),
    ):
        command.add_argument(
            f"--max-{limit}", type=int, metavar="N", help=f"limit: {text}; {consequence}"
        )


def budget_of(options: argparse.Namespace) -> Budget:
    return Budget(
        flash_bytes=options.max_flash_bytes,
        weight_bytes=options.max_weight_bytes,
        ram_bytes=options.max_ram_bytes,
        macs=options.max_macs,
    )


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")


def methods_of(text: str | None) -> str | list[str] | None:
    return text.split(",") if text and text != "auto" else text or None
