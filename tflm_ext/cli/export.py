"""The commands export and inspect."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tflm_ext.cli.arguments import (
    MODEL,
    add_budget,
    add_command,
    add_json,
    add_model,
    budget_of,
    methods_of,
)
from tflm_ext.cli.output import show_report, shows_progress
from tflm_ext.emit.escape import printable
from tflm_ext.errors import AccuracyWarning, ConfigError
from tflm_ext.near import did_you_mean_file
from tflm_ext.options import UNSET
from tflm_ext.shell import tell


def add_commands(commands: Any) -> None:
    """Add both to the parser."""
    _add_export(commands)
    inspect = add_command(commands, "inspect", _inspect, "show operators, memory plan and sizes")
    add_model(inspect, f"{MODEL}; or an exported project, with measurements by bench")
    inspect.add_argument(
        "--passes",
        action="store_true",
        help="also show the graph after each rewrite, why it changed, and the memory plan",
    )
    add_json(inspect)


def _add_pipeline(export: argparse.ArgumentParser) -> None:
    export.add_argument(
        "--pipeline",
        metavar="JSON",
        help="signal pipeline before the model, written by Pipeline.to_json(); none for none",
    )
    export.add_argument(
        "--recording",
        metavar="FILE",
        action="append",
        help="WAV, CSV or .npy file, or a folder of recordings, that calibrates the model after "
        "--pipeline; may be repeated",
    )
    export.add_argument(
        "--capture-seconds",
        type=float,
        metavar="N",
        help="let the firmware remember the last N seconds of samples, and send samples on "
        "request; default: 0, firmware that cannot send samples",
    )


def _add_export(commands: Any) -> None:
    export = add_command(
        commands, "export", _export, "export a model, or a pipeline, as a verified project"
    )
    add_model(export, f"{MODEL}; none for a --pipeline that computes its score itself", nargs="?")
    export.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="folder of the project; if it has one, options that are not passed are kept",
    )
    export.add_argument(
        "--data", metavar="NPZ", help="test data (x and y) for accuracy and golden vectors"
    )
    _add_pipeline(export)
    export.add_argument(
        "--tflm-source",
        metavar="DIR",
        help="TFLM source tree, for --runtime tflm on this computer and the emulated core",
    )
    export.add_argument(
        "--encoding",
        metavar="A,B",
        help="encode the weights, for --runtime tflm; see tflm-ext encode",
    )
    export.add_argument(
        "--no-lift",
        dest="lift",
        action="store_const",
        const=False,
        help="keep Normalization, Rescaling and BatchNormalization at the model's head inside it",
    )
    export.add_argument(
        "--labels",
        metavar="[OUTPUT=]A,B,...",
        action="append",
        help="class names, or @FILE with one per line; again for each output that has some",
    )
    export.add_argument(
        "--version", metavar="X.Y.Z", help="version of the model, for the C and the Arduino IDE"
    )
    export.add_argument("--url", help="address of the model's page, for the Arduino IDE")
    export.add_argument("--overwrite", action="store_true", help="also replace edited files")
    export.add_argument(
        "--max-accuracy-drop",
        type=float,
        metavar="D",
        help="largest allowed loss of the score on --data due to int8, 0 to 1; more is an error",
    )
    export.add_argument("--quiet", action="store_true", help="print only errors and lost accuracy")
    add_budget(export, "more is an error")
    add_json(export)
    # What is not passed may come from an earlier export.
    export.set_defaults(board=UNSET, pipeline=UNSET, runtime=None, optimize=None)


def _export(options: argparse.Namespace) -> int:
    from tflm_ext.api import export
    from tflm_ext.convert import load_npz

    test_data = None
    if options.data is not None:
        test = load_npz(options.data)
        if test.y is None:
            raise ConfigError(
                f"{options.data} has no targets.", "Store them under the key y, next to x."
            )
        test_data = (test.x, test.y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)  # _print_losses() reports it
        result = export(
            options.model,
            options.output,
            calibration_data=_calibration(options),
            pipeline=None if options.pipeline == "none" else options.pipeline,
            test_data=test_data,
            name=options.name,
            labels=_labels(options.labels),
            version=options.version,
            url=options.url,
            board=options.board,
            runtime=options.runtime,
            optimize=options.optimize,
            budget=budget_of(options) if budget_of(options).limits else None,
            tflm_source=options.tflm_source,
            encoding=methods_of(options.encoding),
            lift=options.lift,
            capture_seconds=options.capture_seconds,
            max_accuracy_drop=options.max_accuracy_drop,
            overwrite=options.overwrite,
            progress=shows_progress(options),
        )
    if options.json or not options.quiet:
        show_report(result.report, options.json, operators=False, losses=False)
    _print_losses(result.report.losses)
    for path in result.kept:
        note = f"note: {path} was edited and is kept; the new version is {path}.new"
        tell([printable(note)])
    return 0


def _calibration(options: argparse.Namespace) -> Any:
    """Return recordings, or the samples of a .npz; None without either."""
    from tflm_ext.convert import load_npz

    if options.recording and options.calibration:
        raise ConfigError(
            "--calibration and --recording cannot be combined.",
            "Pass recordings with --pipeline, and a .npz without it.",
        )
    if options.calibration:
        return load_npz(options.calibration).x
    return _of_folders(options.recording)


def _of_folders(given: Sequence[str] | None) -> list[Any] | None:
    """Return recordings, and those in folders; None if there are none."""
    from tflm_ext.signals.given import as_recordings

    if not given:
        return None
    return [own for path in given for own in as_recordings(path, "--recording")]


def _print_losses(losses: Sequence[str]) -> None:
    """Print lost accuracy where it is noticed: last, on standard error, and in red."""
    sys.stdout.flush()
    red, plain = ("\x1b[1;31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    for loss in losses:
        print(f"{red}WARNING: {printable(loss)}{plain}", file=sys.stderr)


def _labels(given: Sequence[str] | None) -> list[str] | dict[str, list[str]] | None:
    """Return the class names of the first output, or of outputs by their names."""
    if given is None:
        return None
    # One list may be of the first output: "=" in its first name alone separates an output's name.
    if len(given) == 1 and not re.fullmatch(r"[^=,@]+=[^=]+", given[0]):
        return _read_labels(given[0])
    found: dict[str, list[str]] = {}
    for text in given:
        name, separator, labels = text.partition("=")
        if not name or not separator or not labels or re.search("[,@]", name):
            raise ConfigError(
                f"--labels {printable(text, 60)} does not begin with the name of an output.",
                "Pass --labels OUTPUT=A,B,... once for each output, or once without a name.",
            )
        if name in found:
            raise ConfigError(
                f"--labels is given twice for {printable(name, 60)}.",
                "Pass it once for each output.",
            )
        found[name] = _read_labels(labels)
    return found


def _read_labels(text: str) -> list[str]:
    """Return the class names from a list, or from a file whose name follows "@"."""
    if text.startswith("@"):
        try:
            # Editors add a byte-order mark at the start, and empty lines at the end.
            return Path(text[1:]).read_text("utf-8-sig").rstrip().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "they are not UTF-8"
            missing = isinstance(error, FileNotFoundError)
            near = did_you_mean_file(Path(text[1:]), (".txt", ".csv")) if missing else ""
            raise ConfigError(
                f"The labels in {text[1:]} cannot be read: {reason}.",
                f"{near}Pass a text file in UTF-8 with one label per line.",
            ) from error
    return text.split(",")


def _inspect(options: argparse.Namespace) -> int:
    from tflm_ext.api import inspect_model
    from tflm_ext.project.exported import is_exported
    from tflm_ext.recheck import inspect_project

    folder = Path(options.model)
    if is_exported(folder):
        show_report(inspect_project(folder, detail=options.passes), options.json)
        return 0
    report = inspect_model(
        options.model,
        calibration=options.calibration,
        name=options.name,
        board=options.board,
        runtime=options.runtime,
        optimize=options.optimize,
        detail=options.passes,
    )
    show_report(report, options.json)
    return 0
