"""tflm-ext: the command line. Prints problem and hint, and returns the error's exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tflm_ext.errors import BudgetError, ConfigError, TflmExtError, ToolError
from tflm_ext.options import Budget, Optimize, Runtime
from tflm_ext.version import VERSION

if TYPE_CHECKING:
    from tflm_ext.report import Report

_EXIT_CODES = """\
exit codes:
  0  done
  1  a bug of tflm-ext
  2  an argument, a name or a file cannot be used
  3  the model cannot be exported as it is
  4  the model exceeds the budget or the board
  5  a compiler, pio or the converter is missing or failed
  6  the C differs from TensorFlow Lite Micro
  7  a file cannot be written
  130  interrupted with Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: of the command line, without the program; None takes sys.argv.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except TflmExtError as error:
        _print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone; say nothing, and let Python not say it either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _print_error(error: TflmExtError) -> None:
    print(f"error: {error.problem}", file=sys.stderr)
    if isinstance(error, ToolError) and error.output:
        if error.command:
            print(f"  $ {' '.join(error.command)}", file=sys.stderr)
        for line in error.output.splitlines():
            print(f"  | {line}", file=sys.stderr)
    if isinstance(error, BudgetError):
        for name, size in error.largest:
            print(f"  {size:>12,}  {name}", file=sys.stderr)
    print(f"hint: {error.hint}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tflm-ext",
        description="From a Keras model to firmware, proven equal to TensorFlow Lite Micro.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tflm-ext {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    export = _command(commands, "export", _export, "write a verified project for a model")
    _add_model(export)
    export.add_argument("-o", "--output", required=True, metavar="DIR", help="project folder")
    export.add_argument(
        "--data", metavar="NPZ", help="test data, x and y: accuracy, golden vectors"
    )
    export.add_argument("--labels", metavar="A,B,...", help="names of the classes, or @FILE")
    export.add_argument("--overwrite", action="store_true", help="replace edited files, too")
    export.add_argument("--quiet", action="store_true", help="print nothing but errors")
    for limit in ("flash", "weight", "ram"):
        export.add_argument(f"--max-{limit}-bytes", type=int, metavar="N")
    export.add_argument("--max-macs", type=int, metavar="N")
    _add_json(export)

    inspect = _command(commands, "inspect", _inspect, "show operators, memory plan and sizes")
    _add_model(inspect)
    _add_json(inspect)

    for name, run, text in (
        ("build", _build, "run pio in a project, and print the sizes"),
        ("test", _test, "run a project's tests with pio"),
    ):
        command = _command(commands, name, run, text)
        command.add_argument("folder", metavar="DIR")
        command.add_argument(
            "-e", "--environment", default="native", metavar="ENV", help="default: native"
        )
        _add_json(command)

    verify = _command(commands, "verify", _verify, "compare a project's files with TFLM again")
    verify.add_argument("folder", metavar="DIR")
    verify.add_argument("--port", metavar="PORT", help="a board, like /dev/ttyACM0")
    verify.add_argument("--seed", type=int, metavar="N", help="of the inputs; default: random")
    _add_json(verify)

    doctor = _command(commands, "doctor", _doctor, "what is installed, missing, and how to mend it")
    _add_json(doctor)
    boards = _command(commands, "boards", _boards, "list the boards")
    _add_json(boards)
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=run)
    return command


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "model", metavar="MODEL", help=".keras, .h5, SavedModel folder, or int8 .tflite"
    )
    command.add_argument("--calibration", metavar="NPZ", help="real inputs for the int8 ranges")
    command.add_argument("--name", help="C identifier; default: from the folder or file")
    command.add_argument("--board", default="nano33ble_sense", help="see tflm-ext boards")
    command.add_argument("--runtime", default=Runtime.COMPILED.value, help="default: compiled")
    command.add_argument(
        "--optimize", default=Optimize.BALANCED.value, help="balanced, speed or size"
    )


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")


def _export(options: argparse.Namespace) -> int:
    from tflm_ext.api import export
    from tflm_ext.convert import load_npz

    test_data = None
    if options.data is not None:
        test = load_npz(options.data)
        if test.y is None:
            raise ConfigError(
                f"{options.data} has no targets.", "Store them under the key y, beside x."
            )
        test_data = (test.x, test.y)
    result = export(
        options.model,
        options.output,
        calibration_data=load_npz(options.calibration).x if options.calibration else None,
        test_data=test_data,
        name=options.name,
        labels=_read_labels(options.labels),
        board=options.board,
        runtime=options.runtime,
        optimize=options.optimize,
        budget=Budget(
            flash_bytes=options.max_flash_bytes,
            weight_bytes=options.max_weight_bytes,
            ram_bytes=options.max_ram_bytes,
            macs=options.max_macs,
        ),
        overwrite=options.overwrite,
        progress=not options.quiet,
    )
    if options.json or not options.quiet:
        _show(result.report, options.json, operators=False)
    for path in result.kept:
        print(f"kept {path}, which you edited; the new text is {path}.new", file=sys.stderr)
    return 0


def _read_labels(text: str | None) -> list[str] | None:
    if text is None:
        return None
    if text.startswith("@"):
        try:
            return Path(text[1:]).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{text[1:]} cannot be read as labels: {error}.",
                "Give a text file with one label a line.",
            ) from error
    return text.split(",")


def _inspect(options: argparse.Namespace) -> int:
    from tflm_ext.api import inspect_model

    report = inspect_model(
        options.model,
        calibration=options.calibration,
        name=options.name,
        board=options.board,
        runtime=options.runtime,
        optimize=options.optimize,
    )
    _show(report, options.json)
    return 0


def _show(report: Report, as_json: bool, *, operators: bool = True) -> None:
    if as_json:
        sys.stdout.write(report.to_json())
    else:
        from tflm_ext.report.text import print_report

        print_report(report, operators=operators)


def _build(options: argparse.Namespace) -> int:
    from tflm_ext.project.pio import run

    result = run(Path(options.folder), options.environment)
    _print_fields(result, options.json)
    return 0


def _test(options: argparse.Namespace) -> int:
    from tflm_ext.project.pio import test

    result = test(Path(options.folder), options.environment)
    _print_fields(result, options.json)
    return 0


def _print_fields(result: Any, as_json: bool) -> None:
    from dataclasses import asdict

    fields = asdict(result)
    if as_json:
        print(json.dumps(fields, indent=2, sort_keys=True, default=str))
        return
    for key, value in fields.items():
        if value is not None and not isinstance(value, tuple | list | dict):
            print(f"{key.replace('_', ' '):>16}  {value}")


def _verify(options: argparse.Namespace) -> int:
    from tflm_ext.recheck import verify_port, verify_project

    folder = Path(options.folder)
    if options.port is not None:
        checked = verify_port(folder, options.port, seed=options.seed)
    else:
        checked = verify_project(folder, seed=options.seed)
    if options.json:
        print(json.dumps(checked.to_dict(), indent=2, sort_keys=True))
    else:
        print(checked.to_text())
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from tflm_ext.doctor import diagnose

    findings = diagnose()
    if options.json:
        print(json.dumps([f.to_dict() for f in findings], indent=2, sort_keys=True))
    else:
        for finding in findings:
            print(finding.to_text())
    return ToolError.exit_code if any(f.required and not f.ok for f in findings) else 0


def _boards(options: argparse.Namespace) -> int:
    from tflm_ext.boards import boards

    if options.json:
        rows = [
            {
                "name": b.name,
                "title": b.title,
                "usable_flash_bytes": b.usable_flash_bytes,
                "usable_ram_bytes": b.usable_ram_bytes,
                "clock_hz": b.clock_hz,
            }
            for b in boards()
        ]
        print(json.dumps(rows, indent=2, sort_keys=True))
        return 0
    for b in boards():
        print(
            f"{b.name}  {b.title}, {b.core} at {b.clock_hz // 1_000_000} MHz, for a program: "
            f"{b.usable_flash_bytes:,} bytes of flash, {b.usable_ram_bytes:,} of RAM"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
