"""Inspects model files of unknown origin before TensorFlow or Keras sees them.

admit() is the only way from a file to a loader. It copies what it has checked, so that exactly this
is loaded, even if the file changes in the meantime. The copy's name leaves loaders no choice of
formats.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflm_ext.convert.untrusted.archive import DAMAGED, open_archive, write_archive
from tflm_ext.convert.untrusted.config import check_config, parse, strip_compile
from tflm_ext.convert.untrusted.hdf5 import check_hdf5
from tflm_ext.convert.untrusted.names import WRAPPERS
from tflm_ext.convert.untrusted.saved_model import check_saved_model
from tflm_ext.errors import UnsupportedModelError

NAMES = "keras_metadata.pb"
_MAX_BYTES = 1 << 32  # of one file: weights, and two values of the optimizer for each


@dataclass(frozen=True, slots=True)
class Admitted:
    """A model that may be loaded.

    Attributes:
        path: of the copy to load.
        library: the library that wrote a .keras or .h5, "keras" or "tf_keras"; "" for a SavedModel.
        ours: whether it has layers of tflm_ext, which must be registered first.
        wrapped: whether tensorflow-model-optimization wraps layers.
        config: configuration in a .keras or .h5.
    """

    path: Path
    library: str = ""
    ours: bool = False
    wrapped: bool = False
    config: Any = None


def admit(path: Path, kind: str, folder: Path, *, trains: bool = False) -> Admitted:
    """Check a model file, and copy it to a folder for loaders. Does not use TensorFlow.

    Args:
        path: of the .keras or .h5, or the folder of a SavedModel.
        kind: "keras", "h5" or "saved_model".
        folder: an empty folder for the copy.
        trains: whether the arguments of compile() are loaded. Otherwise they are removed from the
            copy of a .keras, and loaders ignore those of a .h5.

    Raises:
        UnsupportedModelError: the file is damaged, or loading it might run code, read other files,
            or take far more memory than its size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "saved_model":
        return _admit_saved_model(path, folder)
    copy, weights = folder / f"model.{kind}", folder / "weights.h5"
    with _readable(path.name):
        if kind == "keras":
            config, version = open_archive(path, path.name, weights)
            everything = config
        else:
            _copy(path, copy, path.name)
            elements = check_hdf5(copy, path.name)
            config, training, version = _h5_config(copy)
            everything = {"model": config, "training_config": training}
    if not isinstance(config, dict):
        raise UnsupportedModelError(
            f"{path.name} has no model configuration.",
            "Save the whole model with model.save('model.keras'), not only its weights.",
        )
    library = "keras" if version.startswith("3") else "tf_keras"
    # A wrapped model is not trained here: without its wrappers, it is no longer compiled.
    wrapped = library == "tf_keras" and not trains
    if kind == "keras":
        # Check names first: these errors are more helpful than those about weights.
        check_config(everything, path.name, trains=trains, wrapped=wrapped)
        with _readable(path.name):
            elements = check_hdf5(weights, path.name)
    check_config(everything, path.name, trains=trains, wrapped=wrapped, elements=elements)
    if kind == "keras":
        write_archive(copy, config if trains else strip_compile(config), version, weights)
        weights.unlink()
    text = json.dumps(config)
    wrapped = wrapped and any(f'"{name}"' in text for name in WRAPPERS)
    return Admitted(copy, library, '"tflm_ext>' in text, wrapped, config)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise UnsupportedModelError(
            f"{name} has no readable model configuration: {type(error).__name__}: {error}.",
            "Save the whole model with model.save('model.keras'), not only its weights.",
        ) from error


def _copy(source: Path, target: Path, name: str) -> None:
    """Copy a file of a reasonable size; a sparse file may claim more than fits on a disk."""
    size = source.stat().st_size
    if size > _MAX_BYTES:
        raise UnsupportedModelError(
            f"{name} has {size:,} bytes, far more than any model for a microcontroller.",
            "Save the model again, with model.save('model.keras').",
        )
    shutil.copyfile(source, target)


def _h5_config(path: Path) -> tuple[Any, Any, str]:
    """Return the configurations of a .h5 and of its training, and the version that wrote it."""
    import h5py

    with h5py.File(path, "r") as file:
        config, version = file.attrs["model_config"], file.attrs.get("keras_version", "2")
        training = file.attrs.get("training_config", "null")
    return parse(_text(config)), parse(_text(training)), _text(version)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _admit_saved_model(path: Path, folder: Path) -> Admitted:
    """Copy only the graph, the variables and tf_keras' names from the folder."""
    files = ["saved_model.pb", *_variable_files(path)]
    files += [NAMES] if (path / NAMES).is_file() else []
    (folder / "variables").mkdir(exist_ok=True)
    for file in files:
        source = path / file
        inside = os.path.realpath(source).startswith(os.path.realpath(path) + os.sep)
        if not inside or not source.is_file():
            raise UnsupportedModelError(
                f"The SavedModel {path.name} has the link {file!r}, which points outside its "
                "folder.",
                "Copy the model together with the files it links to, for example with cp -rL.",
            )
        _copy(source, folder / file, path.name)
    check_saved_model(folder, path.name)
    return Admitted(folder)


def _variable_files(path: Path) -> Sequence[str]:
    folder = path / "variables"
    if not folder.is_dir():
        return []
    names = sorted(file.name for file in folder.iterdir())
    return [f"variables/{name}" for name in names if name.startswith("variables.")]
