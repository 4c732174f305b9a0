"""Model files from anywhere: looked through before TensorFlow or Keras sees them.

admit() is the only way from a file to a loader. It copies what was looked at, so that what is
loaded is what was checked, whatever becomes of the file meanwhile, under a name that leaves a
loader no choice of formats.
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
from tflm_ext.convert.untrusted.saved_model import check_saved_model
from tflm_ext.errors import UnsupportedModelError

NAMES = "keras_metadata.pb"
_MAX_BYTES = 1 << 32  # of one file: weights, and an optimizer's two of each


@dataclass(frozen=True, slots=True)
class Admitted:
    """A model that may be loaded.

    Attributes:
        path: of the copy to load.
        library: "keras" or "tf_keras", whichever wrote a .keras or .h5; "" for a SavedModel.
        ours: whether it has layers of tflm_ext, which have to be registered first.
        config: of a .keras or .h5, as it is in the file.
    """

    path: Path
    library: str = ""
    ours: bool = False
    config: Any = None


def admit(path: Path, kind: str, folder: Path, *, trains: bool = False) -> Admitted:
    """Check a model file and copy it to where loaders may read it. Needs no TensorFlow.

    Args:
        path: of the .keras or .h5, or the folder of a SavedModel.
        kind: "keras", "h5" or "saved_model".
        folder: an empty one for the copy.
        trains: whether the model is loaded with what compile() was given. Without it, the copy of
            a .keras does not have that any more, and loaders leave that of a .h5 alone.

    Raises:
        UnsupportedModelError: the file is damaged, or to load it might run code, read other files,
            or take far more memory than it stores.
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
            "Save the whole model with model.save('model.keras'), not its weights only.",
        )
    if kind == "keras":
        # First what it names: that says more than what is wrong with its weights.
        check_config(everything, path.name, trains=trains)
        with _readable(path.name):
            elements = check_hdf5(weights, path.name)
    check_config(everything, path.name, trains=trains, elements=elements)
    if kind == "keras":
        write_archive(copy, config if trains else strip_compile(config), version, weights)
        weights.unlink()
    library = "keras" if version.startswith("3") else "tf_keras"
    return Admitted(copy, library, '"tflm_ext>' in json.dumps(config), config)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        raise UnsupportedModelError(
            f"{name} has no readable model configuration: {type(error).__name__}: {error}.",
            "Save the whole model with model.save('model.keras'), not its weights only.",
        ) from error


def _copy(source: Path, target: Path, name: str) -> None:
    """Copy a file of a reasonable size: one with holes claims more than a disk holds."""
    size = source.stat().st_size
    if size > _MAX_BYTES:
        raise UnsupportedModelError(
            f"{name} has {size:,} bytes, far more than any model for a microcontroller.",
            "Save the model again, with model.save('model.keras').",
        )
    shutil.copyfile(source, target)


def _h5_config(path: Path) -> tuple[Any, Any, str]:
    """The configuration of a .h5, that of its training if any, and the version that wrote it."""
    import h5py

    with h5py.File(path, "r") as file:
        config, version = file.attrs["model_config"], file.attrs.get("keras_version", "2")
        training = file.attrs.get("training_config", "null")
    return parse(_text(config)), parse(_text(training)), _text(version)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _admit_saved_model(path: Path, folder: Path) -> Admitted:
    """Copy the graph, the variables and tf_keras' names, and nothing else of the folder."""
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
