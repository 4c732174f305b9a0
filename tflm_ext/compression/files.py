"""compress() from file to file: what `tflm-ext compress` runs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from tflm_ext.compression.recipe import Recipe
from tflm_ext.compression.result import CompressionReport
from tflm_ext.compression.run import compress
from tflm_ext.convert import convert, load_npz
from tflm_ext.convert.files import kind_of, read_config, refuse_code
from tflm_ext.convert.trace import library
from tflm_ext.errors import ConfigError, StorageError, UnsupportedModelError


def compress_file(
    model: Path, output: Path, *, data: Path, validation: Path | None, **options: Any
) -> CompressionReport:
    """Load a model and its data, compress it, and write the result.

    Args:
        model: .keras or .h5.
        output: .keras, or .tflite for the int8 model; an old one is replaced.
        data: .npz with x, or one key per input, and y.
        validation: the same, None to hold out a part of data.
        **options: of compress().

    Raises:
        ConfigError: a file that does not exist or does not fit.
        UnsupportedModelError: the model cannot be loaded or compressed.
        StorageError: the result cannot be written.
    """
    folder = output.absolute().parent
    if output.suffix not in (".keras", ".tflite") or output.is_dir() or not folder.is_dir():
        raise ConfigError(
            f"{output} is no place for a model.",
            "Give the name of a .keras or .tflite file in a folder.",
        )
    train, held_out = _pair(data), None if validation is None else _pair(validation)
    given = load(model)
    recipe = options.get("recipe") or Recipe.balanced()
    if library(given) == "tf_keras" and recipe.quantize_epochs and output.suffix == ".keras":
        raise ConfigError(
            "tf_keras cannot load the .keras file of a model that tensorflow-model-optimization"
            " made quantisation-aware.",
            f"Give -o {output.stem}.tflite for the int8 model, or a recipe with quantize_epochs=0.",
        )
    result = compress(given, train, validation_data=held_out, **options)
    part = output.with_name(f"part-{output.name}")
    try:
        if output.suffix == ".tflite":
            int8 = convert(result.model, train[0], progress=lambda text: None).int8
            part.write_bytes(int8.bytes)
        else:
            result.model.save(str(part))
        os.replace(part, output)
    except OSError as error:
        raise StorageError(
            f"{output} cannot be written: {error.strerror or error}.",
            "Free some space, or give another folder.",
        ) from error
    return result.report


def read_recipe(given: str) -> Recipe:
    """A preset by its name, or the path of a JSON file.

    Raises:
        ConfigError: neither.
    """
    if re.fullmatch(r"[a-z]+", given) and not Path(given).is_file():
        return Recipe.preset(given)
    try:
        return Recipe.from_json(Path(given).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{given} cannot be read as a recipe: {error}.",
            "Give a JSON file, or one of: fast, balanced, smallest.",
        ) from error


def load(path: Path) -> Any:
    """A compiled model, by the library that wrote it; nothing of the file is run as code.

    Raises:
        ConfigError: no such file, or one that cannot be trained.
        UnsupportedModelError: the model cannot be loaded.
    """
    kind = kind_of(path)
    if kind not in {"keras", "h5"}:
        raise ConfigError(
            f"{path} is a {kind} model, which cannot be trained.", "Give a .keras or .h5 file."
        )
    written_by, config = read_config(path, kind)
    refuse_code(config, path.name)
    if written_by == "tf_keras":
        import tf_keras as package
    else:
        import keras as package

        import tflm_ext.compression.qat.model  # noqa: F401  registers its layers
    try:
        return package.models.load_model(str(path), safe_mode=True)
    except (OSError, TypeError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UnsupportedModelError(
            f"{path.name} cannot be loaded: {lines[0] if lines else type(error).__name__}",
            "If it has classes of your own, load it yourself and call tflm_ext.compress().",
        ) from error


def _pair(path: Path) -> tuple[Any, Any]:
    samples = load_npz(path)
    if samples.y is None:
        raise ConfigError(f"{path} has no targets.", "Store them under the key y, beside x.")
    return samples.x, samples.y
