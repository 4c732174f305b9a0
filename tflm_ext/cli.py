"""tflm-ext: the command line. Prints problem and hint, and returns the error's exit code."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tflm_ext.emit.escape import printable
from tflm_ext.errors import (
    AccuracyWarning,
    ConfigError,
    StorageError,
    TflmExtError,
    ToolError,
    VerificationError,
)
from tflm_ext.options import DEFAULT_RUNTIME, Budget, Optimize
from tflm_ext.programs import limit_error
from tflm_ext.shell import Ended, open_closed_streams, signals_as_interrupts, silence_stdout, tell
from tflm_ext.version import VERSION

if TYPE_CHECKING:
    from tflm_ext.report import Report

_EXIT_CODES = """\
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


_MODEL = ".keras, .h5, SavedModel folder, or int8 .tflite"


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
        try:
            options = _parser().parse_args(arguments)
        except SystemExit:  # of --help, --version, and arguments that cannot be used
            sys.stdout.flush()
            raise
        command: Callable[[argparse.Namespace], int] = options.command
        code = command(options)
        sys.stdout.flush()
        return code
    except TflmExtError as error:
        _print_error(error)
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
    except MemoryError:
        full = limit_error("This program", 1, "MemoryError")
        assert full is not None
        _print_error(full)
        return full.exit_code
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        package = {"serial": "pyserial", "SCons": "scons"}.get(name, name)
        if package in ("", "tflm_ext"):
            raise
        missing = ToolError(
            f"The Python package {package} is missing.",
            f"Run: {shlex.quote(sys.executable)} -m pip install {package}",
        )
        _print_error(missing)
        return missing.exit_code
    except ImportError as error:
        limit = limit_error("This program", 1, str(error))
        if limit is None:
            raise
        _print_error(limit)
        return limit.exit_code
    except OSError as error:
        silence_stdout()
        refused = StorageError(
            f"{error.filename or 'The output'} could not be read or written: "
            f"{error.strerror or error}.",
            "Mend the permissions, or free some space, and run the command again.",
        )
        _print_error(refused)
        return refused.exit_code


def _print_error(error: TflmExtError) -> None:
    lines = [f"error: {error.problem}"]
    if isinstance(error, ToolError) and error.output:
        lines += [f"  $ {shlex.join(error.command)}"] if error.command else []
        lines += [f"  | {line}" for line in error.output.splitlines()]
    lines.append(f"hint: {error.hint}")
    tell([printable(line) for line in lines])


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments as every other error is said."""

    def error(self, message: str) -> NoReturn:
        _print_error(ConfigError(f"{message}.", f"See {self.prog} --help."))
        self.exit(ConfigError.exit_code)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and version; argparse's own hides that they could not be written."""
        (file or sys.stderr).write(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
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
    export.add_argument(
        "--tflm-source", metavar="DIR", help="a tree of TFLM, for runtime tflm off the board"
    )
    export.add_argument(
        "--encoding", metavar="A,B", help="weights encoded, for runtime tflm: see tflm-ext encode"
    )
    export.add_argument("--labels", metavar="A,B,...", help="names of the classes, or @FILE")
    export.add_argument("--overwrite", action="store_true", help="replace edited files, too")
    export.add_argument(
        "--max-accuracy-drop",
        type=float,
        metavar="D",
        help="what int8 may lose of the score of --data, 0 to 1; more is an error",
    )
    export.add_argument(
        "--quiet", action="store_true", help="print nothing but errors and lost accuracy"
    )
    _add_budget(export, "more is an error")
    _add_json(export)

    compress = _command(commands, "compress", _compress, "make a Keras model smaller by training")
    compress.add_argument("model", metavar="MODEL", help="trained and compiled: .keras or .h5")
    compress.add_argument(
        "--data", required=True, metavar="NPZ", help="training data, x and y; never the test data"
    )
    compress.add_argument(
        "--validation", metavar="NPZ", help="x and y for the scores; default: a part of --data"
    )
    compress.add_argument(
        "--recipe",
        default="balanced",
        metavar="RECIPE",
        help="fast, balanced, smallest, or a JSON file",
    )
    compress.add_argument(
        "-o", "--output", required=True, metavar="FILE", help=".keras, or int8 .tflite, to write"
    )
    compress.add_argument(
        "--min-accuracy", type=float, metavar="A", help="of the validation data, 0 to 1"
    )
    compress.add_argument(
        "--loss", metavar="NAME", help="by Keras' name; default: that of the compiled model"
    )
    compress.add_argument(
        "--checkpoints", metavar="DIR", help="keep every step, to go on after an interruption"
    )
    compress.add_argument("--quiet", action="store_true", help="print nothing but errors")
    _add_budget(compress, "in place of the recipe's")
    _add_json(compress)

    encode = _command(commands, "encode", _encode, "store weights encoded, for TFLM's interpreter")
    encode.add_argument("model", metavar="MODEL", help="int8 .tflite")
    encode.add_argument("-o", "--output", required=True, metavar="FILE", help=".tflite to write")
    encode.add_argument(
        "--methods", default="auto", metavar="A,B", help="auto, or of: huffman, lut, pruning"
    )
    encode.add_argument("--quiet", action="store_true", help="print nothing but errors")
    _add_budget(encode, "for auto")
    _add_json(encode)

    inspect = _command(commands, "inspect", _inspect, "show operators, memory plan and sizes")
    _add_model(inspect, f"{_MODEL}; or an exported project, with what bench measured of it")
    _add_json(inspect)

    compare = _command(
        commands, "compare", _compare, "both runtimes on the emulated core, side by side"
    )
    compare.add_argument("model", metavar="MODEL", help=_MODEL)
    compare.add_argument("--tflm-source", metavar="DIR", help="a tree of TFLM")
    _add_planning(compare)
    _add_compiler_flag(compare)
    _add_json(compare)

    bench = _command(commands, "bench", _bench, "count instructions on the emulated core")
    bench.add_argument(
        "sources", nargs="+", metavar="DIR_OR_MODEL", help="exported projects, or models"
    )
    _add_planning(bench)
    _add_compiler_flag(bench)
    _add_json(bench)

    for name, run, text in (
        ("build", _build, "run pio in a project, and print the sizes"),
        ("test", _test, "run a project's tests with pio"),
    ):
        command = _command(commands, name, run, text)
        command.add_argument("folder", metavar="DIR", help="an exported project")
        command.add_argument(
            "-e", "--environment", default="native", metavar="ENV", help="default: native"
        )
        _add_json(command)

    verify = _command(commands, "verify", _verify, "compare a project's files with TFLM again")
    verify.add_argument("folder", metavar="DIR", help="an exported project")
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


def _add_model(command: argparse.ArgumentParser, what: str = _MODEL) -> None:
    command.add_argument("model", metavar="MODEL", help=what)
    command.add_argument("--name", help="C identifier; default: from the folder or file")
    command.add_argument("--runtime", default=DEFAULT_RUNTIME, help="compiled (default) or tflm")
    _add_planning(command)


def _add_planning(command: argparse.ArgumentParser) -> None:
    command.add_argument("--calibration", metavar="NPZ", help="real inputs for the int8 ranges")
    command.add_argument("--board", default="nano33ble_sense", help="see tflm-ext boards")
    command.add_argument(
        "--optimize", default=Optimize.BALANCED.value, help="balanced, speed or size"
    )


def _add_compiler_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--compiler-flag",
        action="append",
        default=[],
        metavar="FLAG",
        help="after the board's, like --compiler-flag=-O2",
    )


def _add_budget(command: argparse.ArgumentParser, consequence: str) -> None:
    for limit, text in (
        ("flash-bytes", "weights and code"),
        ("weight-bytes", "constant tables"),
        ("ram-bytes", "sizeof(context)"),
        ("macs", "multiply-accumulate operations"),
    ):
        command.add_argument(
            f"--max-{limit}", type=int, metavar="N", help=f"limit: {text}; {consequence}"
        )


def _budget(options: argparse.Namespace) -> Budget:
    return Budget(
        flash_bytes=options.max_flash_bytes,
        weight_bytes=options.max_weight_bytes,
        ram_bytes=options.max_ram_bytes,
        macs=options.max_macs,
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)  # _shout() says the same
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
            budget=_budget(options),
            tflm_source=options.tflm_source,
            encoding=_methods(options.encoding),
            max_accuracy_drop=options.max_accuracy_drop,
            overwrite=options.overwrite,
            progress=not options.quiet,
        )
    if options.json or not options.quiet:
        _show(result.report, options.json, operators=False, losses=False)
    _shout(result.report.losses)
    for path in result.kept:
        tell([printable(f"note: {path} was edited and is kept; the new text is {path}.new")])
    return 0


def _shout(losses: Sequence[str]) -> None:
    """Lost accuracy, where nobody overlooks it: last, on standard error, and in red."""
    sys.stdout.flush()
    red, plain = ("\x1b[1;31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    for loss in losses:
        print(f"{red}WARNING: {printable(loss)}{plain}", file=sys.stderr)


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


def _compress(options: argparse.Namespace) -> int:
    from tflm_ext.compression.files import compress_file, read_recipe

    budget = _budget(options)
    report = compress_file(
        Path(options.model),
        Path(options.output),
        data=Path(options.data),
        validation=Path(options.validation) if options.validation else None,
        recipe=read_recipe(options.recipe),
        budget=None if budget == Budget() else budget,
        min_accuracy=options.min_accuracy,
        loss=options.loss,
        checkpoints=options.checkpoints,
        progress=not options.quiet,
    )
    if options.json:
        _print_json("compress", report.to_dict())
    elif not options.quiet:
        for line in str(report).splitlines():
            print(printable(line))
    return 0


def _encode(options: argparse.Namespace) -> int:
    from tflm_ext.encoding import encode
    from tflm_ext.report.progress import show_progress

    output = Path(options.output)
    if output.suffix != ".tflite" or not output.absolute().parent.is_dir():
        raise ConfigError(
            f"{output} is no place for a model.", "Give the name of a .tflite file in a folder."
        )
    methods = _methods(options.methods) or "auto"
    with show_progress(not options.quiet) as say:
        result = encode(options.model, methods, budget=_budget(options), progress=say)
    part = output.with_name(f"part-{output.name}")
    part.write_bytes(result.model)
    os.replace(part, output)
    if options.json:
        _print_json("encode", result.to_dict())
    elif not options.quiet:
        for line in str(result).splitlines():
            print(printable(line))
    return 0


def _methods(text: str | None) -> str | list[str] | None:
    return text.split(",") if text and text != "auto" else text or None


def _inspect(options: argparse.Namespace) -> int:
    from tflm_ext.api import inspect_model
    from tflm_ext.recheck import inspect_project

    folder = Path(options.model)
    if (folder / "report.json").is_file():
        _show(inspect_project(folder), options.json)
        return 0
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


def _compare(options: argparse.Namespace) -> int:
    from tflm_ext.bench import compare
    from tflm_ext.report.progress import show_progress

    with show_progress(not options.json) as say:
        found = compare(
            options.model,
            calibration=options.calibration,
            board=options.board,
            optimize=options.optimize,
            tflm_source=options.tflm_source,
            flags=options.compiler_flag,
            progress=say,
        )
    if options.json:
        _print_json("compare", found.to_dict())
    else:
        for line in str(found).splitlines():
            print(printable(line))
    return 0


def _bench(options: argparse.Namespace) -> int:
    from tflm_ext.bench import bench
    from tflm_ext.report.progress import show_progress

    with show_progress(not options.json) as say:
        found = [
            bench(
                source,
                calibration=options.calibration,
                board=options.board,
                optimize=options.optimize,
                flags=options.compiler_flag,
                progress=say,
            )
            for source in options.sources
        ]
    if options.json:
        _print_json("bench", [one.to_dict() for one in found])
    else:
        for line in "\n\n".join(map(str, found)).splitlines():
            print(printable(line))
    return 0


def _show(report: Report, as_json: bool, *, operators: bool = True, losses: bool = True) -> None:
    if as_json:
        sys.stdout.write(report.to_json())
    else:
        from tflm_ext.report.text import print_report

        print_report(report, operators=operators, losses=losses)


def _build(options: argparse.Namespace) -> int:
    from tflm_ext.project.pio import run

    folder = Path(options.folder)
    built = run(folder, options.environment)
    program = built.program.relative_to(folder.resolve()).as_posix()
    if options.json:
        _print_json(
            "build",
            {
                "environment": built.environment,
                "program": program,
                "flash_bytes": built.flash_bytes,
                "ram_bytes": built.ram_bytes,
            },
        )
        return 0
    print(f"{built.environment}: built {program} in {built.seconds:.1f} s")
    if built.flash_bytes is not None and built.ram_bytes is not None:
        print(
            f"the whole program: {built.flash_bytes:,} bytes of flash, "
            f"{built.ram_bytes:,} bytes of RAM"
        )
    return 0


def _test(options: argparse.Namespace) -> int:
    from tflm_ext.project.pio import test
    from tflm_ext.recheck import explain

    folder = Path(options.folder)
    try:
        found = test(folder, options.environment)
    except VerificationError as error:
        raise explain(folder, error) from error
    if options.json:
        cases = [{"name": c.name, "status": c.status, "message": c.message} for c in found.cases]
        _print_json(
            "test",
            {
                "environment": found.environment,
                "passed": found.passed,
                "failed": found.failed,
                "cases": cases,
            },
        )
        return 0
    for case in found.cases:
        print(f"{case.status:8}  {printable(case.name)}")
    print(f"{found.environment}: {found.passed} tests passed in {found.seconds:.1f} s")
    return 0


def _print_json(part: str, content: Any) -> None:
    """One part of docs/reference/report.schema.json."""
    from tflm_ext.report.report import envelope

    print(json.dumps(envelope() | {part: content}, indent=2, sort_keys=True))


def _verify(options: argparse.Namespace) -> int:
    from tflm_ext.recheck import verify_port, verify_project

    folder = Path(options.folder)
    if options.port is not None:
        checked = verify_port(folder, options.port, seed=options.seed)
    else:
        checked = verify_project(folder, seed=options.seed)
    if options.json:
        _print_json("verify", checked.to_dict())
    else:
        print(checked.to_text())
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from tflm_ext.doctor import diagnose

    findings = diagnose()
    if options.json:
        _print_json("findings", [f.to_dict() for f in findings])
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
        _print_json("boards", rows)
        return 0
    for b in boards():
        print(
            f"{b.name}  {b.title}, {b.core} at {b.clock_hz // 1_000_000} MHz, for a program: "
            f"{b.usable_flash_bytes:,} bytes of flash, {b.usable_ram_bytes:,} of RAM"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
