"""The commands compress and encode."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

from tflm_ext.cli.arguments import (
    add_board,
    add_budget,
    add_command,
    add_json,
    add_limits,
    budget_of,
    methods_of,
)
from tflm_ext.cli.output import print_json, print_lines, shows_progress
from tflm_ext.errors import ConfigError
from tflm_ext.options import Budget
from tflm_ext.storage import check_writable, not_written, require_folders

_ENCODING_LIMITS = {
    "flash_bytes": "with --methods auto: limit of the size of the .tflite",
    "weight_bytes": "the same as --max-flash-bytes",
    "ram_bytes": "with --methods auto: limit of the arena of TFLM's interpreter on this computer",
    "macs": "ignored, because encoding does not change the number of operations",
}


def add_commands(commands: Any) -> None:
    """Add both to the parser."""
    _add_compress(commands)
    _add_encode(commands)


def _add_compress(commands: Any) -> None:
    compress = add_command(
        commands, "compress", _compress, "make a Keras model smaller by training"
    )
    compress.add_argument(
        "model", metavar="MODEL", help="trained and compiled model: .keras or .h5"
    )
    compress.add_argument(
        "--data", required=True, metavar="NPZ", help="training data (x and y); not the test data"
    )
    compress.add_argument(
        "--validation",
        metavar="NPZ",
        help="validation data (x and y) for the scores; default: a part of --data",
    )
    compress.add_argument(
        "--recipe",
        default="balanced",
        metavar="RECIPE",
        help="fast, balanced, smallest, or a JSON file",
    )
    compress.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="file to write: .keras, or int8 .tflite",
    )
    compress.add_argument(
        "--min-accuracy",
        type=float,
        metavar="A",
        help="minimum accuracy on the validation data, 0 to 1",
    )
    compress.add_argument(
        "--loss",
        metavar="NAME",
        help="loss, by its name in Keras; default: that of the compiled model",
    )
    compress.add_argument(
        "--checkpoints",
        metavar="DIR",
        help="folder where every step is saved, to resume an interrupted run",
    )
    compress.add_argument("--quiet", action="store_true", help="print only errors")
    add_board(compress)
    add_budget(compress, "replaces the recipe's")
    add_json(compress)


def _add_encode(commands: Any) -> None:
    encode = add_command(
        commands, "encode", _encode, "encode the weights of a model for TFLM's interpreter"
    )
    encode.add_argument("model", metavar="MODEL", help="int8 .tflite")
    encode.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="file to write: .tflite"
    )
    encode.add_argument(
        "--methods",
        default="auto",
        metavar="A,B",
        help="auto, or a list of huffman, lut and pruning",
    )
    encode.add_argument("--quiet", action="store_true", help="print only errors")
    add_limits(encode, _ENCODING_LIMITS)
    add_json(encode)


def _compress(options: argparse.Namespace) -> int:
    from tflm_ext.compression.files import compress_file, read_recipe

    budget = budget_of(options)
    report = compress_file(
        Path(options.model),
        Path(options.output),
        data=Path(options.data),
        validation=Path(options.validation) if options.validation else None,
        recipe=read_recipe(options.recipe),
        budget=None if budget == Budget() else budget,
        board=options.board,
        min_accuracy=options.min_accuracy,
        loss=options.loss,
        checkpoints=options.checkpoints,
        progress=shows_progress(options),
    )
    if options.json:
        print_json("compress", report.to_dict())
    elif not options.quiet:
        print_lines(str(report))
    return 0


def _encode(options: argparse.Namespace) -> int:
    from tflm_ext.encoding import encode
    from tflm_ext.report.progress import show_progress

    output = Path(options.output)
    require_folders(output, "file name")
    if output.suffix != ".tflite" or not os.path.isdir(output.absolute().parent):
        raise ConfigError(
            f"{output} cannot be written as a model.",
            "Pass the name of a .tflite file in an existing folder.",
        )
    methods = methods_of(options.methods) or "auto"
    part = output.with_name(f"part-{output.name}")
    try:
        check_writable(part.parent, part.name)
    except OSError as error:
        raise not_written(output, error) from error
    with show_progress(shows_progress(options)) as say:
        result = encode(options.model, methods, budget=budget_of(options), progress=say)
    try:
        part.write_bytes(result.model)
        os.replace(part, output)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise not_written(output, error, "encode the model again") from error
    if options.json:
        print_json("encode", result.to_dict())
    elif not options.quiet:
        print_lines(str(result))
    return 0
