"""compress() from file to file, for `tflm-ext compress`. Does not use TensorFlow."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tflm_ext.compression.recipe import Recipe
from tflm_ext.compression.result import CompressionReport
from tflm_ext.convert import load_npz
from tflm_ext.convert.child import Child, ChildEnded
from tflm_ext.convert.explain import explain
from tflm_ext.convert.files import is_data_file, kind_of
from tflm_ext.errors import ConfigError
from tflm_ext.near import did_you_mean_file
from tflm_ext.options import DEFAULT_BOARD, Budget
from tflm_ext.report.progress import show_progress
from tflm_ext.scratch import scratch_folder
from tflm_ext.storage import check_writable, not_written, require_folders


def compress_file(
    model: Path,
    output: Path,
    *,
    data: Path,
    validation: Path | None = None,
    recipe: Recipe | None = None,
    budget: Budget | None = None,
    board: str | None = DEFAULT_BOARD,
    min_accuracy: float | None = None,
    loss: str | None = None,
    checkpoints: str | None = None,
    progress: bool = True,
) -> CompressionReport:
    """Load a model and its data, compress it, and write the result.

    The model is loaded and trained in a child process, which always ends before this returns.

    Args:
        model: .keras or .h5.
        output: .keras, or .tflite for the int8 model; an old one is replaced.
        data: .npz with x, or one key per input, and y.
        validation: likewise; None to hold out a part of `data`.
        recipe, budget, board, min_accuracy, loss, checkpoints, progress: as for compress().

    Raises:
        ConfigError: a file does not exist, or does not match the model.
        UnsupportedModelError: the model cannot be loaded or compressed.
        ToolError: TensorFlow is missing or crashed.
        StorageError: the result cannot be written.
    """
    require_folders(output, "file name")
    folder = output.absolute().parent
    if output.suffix not in (".keras", ".tflite") or not os.path.isdir(folder):
        raise ConfigError(
            f"{output} cannot be written: a model needs a .keras or .tflite file name.",
            "Pass a file name that ends with .keras or .tflite, in an existing folder.",
        )
    with _storage_errors(output):
        check_writable(folder, _part(output).name)
        if os.path.isdir(output):
            raise ConfigError(f"{output} is a folder.", "Pass the name of a file.")
    for path in (data, validation):
        if path is not None and load_npz(path).y is None:
            raise ConfigError(f"{path} has no targets.", "Store them under the key y, next to x.")
    if not os.path.isdir(model) and is_data_file(model):
        raise ConfigError(f"{model} is data, not a model.", "Pass a .keras or .h5 file.")
    kind = kind_of(model)
    if kind not in {"keras", "h5"}:
        raise ConfigError(
            f"{model} is a {kind} model, which cannot be trained.", "Pass a .keras or .h5 file."
        )
    request = {
        "data": str(data.absolute()),
        "validation": None if validation is None else str(validation.absolute()),
        "recipe": asdict(recipe or Recipe.balanced()),
        "budget": None if budget is None else asdict(budget),
        "board": str(Path(board).absolute()) if board and board.endswith(".toml") else board,
        "min_accuracy": min_accuracy,
        "loss": loss,
        "checkpoints": None if checkpoints is None else str(Path(checkpoints).absolute()),
    }
    with scratch_folder() as scratch, show_progress(progress) as say:
        made = scratch / output.name
        with Child(scratch / "log.txt", "tflm_ext.compression.worker") as child:
            where = {"path": str(model.absolute()), "folder": str(scratch / "admitted")}
            say("starting TensorFlow")
            _ask(child, "load", say, **where, kind=kind, loss=loss)
            report = _ask(child, "compress", say, **request, out=str(made))
        _place(made, output)
    return CompressionReport.from_dict(report)


def _ask(child: Child, do: str, say: Any, **request: Any) -> dict[str, Any]:
    try:
        return child.ask(do, say, **request)
    except ChildEnded as ended:
        raise explain(do, ended, {}, child.command) from ended


def _place(made: Path, output: Path) -> None:
    """Move a file to its destination, completely or not at all."""
    part = _part(output)
    try:
        with _storage_errors(output):
            shutil.copyfile(made, part)
            os.replace(part, output)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _part(output: Path) -> Path:
    """Return the file that is written before it is renamed."""
    return output.with_name(f"part-{output.name}")


@contextlib.contextmanager
def _storage_errors(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_written(output, error, "compress the model again") from error


def read_recipe(given: str) -> Recipe:
    """Return a preset by its name, or read the recipe from a JSON file.

    Raises:
        ConfigError: there is no such preset or file, or the file is not valid.
    """
    if re.fullmatch(r"[\w-]+", given) and not os.path.isfile(Path(given)):
        return Recipe.preset(given)
    try:
        return Recipe.from_json(Path(given).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        missing = isinstance(error, FileNotFoundError)
        near = did_you_mean_file(Path(given), (".json",)) if missing else ""
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(
            f"{given} cannot be read as a recipe: {reason}.",
            f"{near}Pass a JSON file, or one of: fast, balanced, smallest.",
        ) from error
