"""A .keras file: a zip archive with a configuration, and weights as HDF5."""

from __future__ import annotations

import json
import lzma
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

from tflm_ext.convert.untrusted.config import parse
from tflm_ext.errors import UnsupportedModelError

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
# Exceptions from reading a damaged file.
DAMAGED = (
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)
_MAX_JSON = 1 << 24  # ten times that of the largest models of keras.applications
_MAX_WEIGHTS = 1 << 30  # a thousand times more than any microcontroller has
# Weights are hardly compressible; a configuration shrinks by a factor of 30.
_LARGEST_RATIO = 200


def open_archive(path: Path, name: str, weights: Path) -> tuple[Any, str]:
    """Unpack a .keras: write its weights to a file, and parse its configuration.

    Args:
        path: of the archive.
        name: of the model's file, for messages.
        weights: file for the weights.

    Returns:
        The configuration, and the version of Keras that wrote it.

    Raises:
        UnsupportedModelError: it has entries that models do not have, or that unpack to a far
            larger size.
        one of DAMAGED: it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not _is_empty_folder(entry)]
        known = {CONFIG: _MAX_JSON, METADATA: _MAX_JSON, WEIGHTS: _MAX_WEIGHTS}
        for entry in entries:
            if entry.filename not in known:
                raise UnsupportedModelError(
                    f"{name} contains {entry.filename[:120]!r}, in addition to a model's "
                    "configuration and weights; files such as vocabularies are not read.",
                    "Turn words and categories into numbers before the model, and save it again"
                    " with model.save('model.keras').",
                )
            most = min(known[entry.filename], max(1 << 20, entry.compress_size * _LARGEST_RATIO))
            if entry.file_size > most:
                raise UnsupportedModelError(
                    f"{name} is a small file that unpacks to {entry.file_size:,} bytes:"
                    f" {entry.filename!r}.",
                    "Save the model again, with model.save('model.keras').",
                )
        if len({entry.filename for entry in entries}) != len(entries):
            raise ValueError("an entry is duplicated")
        metadata = parse(archive.read(METADATA))
        config = parse(archive.read(CONFIG))
        with archive.open(WEIGHTS) as source, weights.open("wb") as target:
            shutil.copyfileobj(source, target)
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    if not isinstance(version, str):
        raise ValueError("the version of Keras is missing")
    return config, version


def write_archive(path: Path, config: Any, version: str, weights: Path) -> None:
    """Write a .keras that contains only what open_archive() read."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(METADATA, json.dumps({"keras_version": version}))
        archive.writestr(CONFIG, json.dumps(config))
        archive.write(weights, WEIGHTS)


def _is_empty_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename == "assets/" and entry.file_size == 0
