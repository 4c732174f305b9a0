"""Models and training states of compress() on disk, as NumPy's arrays and JSON.

No loader of Keras reads them, nor HDF5: a model is built from a configuration that was looked
through, and arrays are set as its weights. A file is written whole or not at all.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.convert.order import library
from tflm_ext.convert.reloaded import refuse_mixed_weights
from tflm_ext.convert.untrusted.config import check_config, parse
from tflm_ext.errors import ConfigError, StorageError, UnsupportedModelError

Array: TypeAlias = np.ndarray[Any, Any]

_CONFIG = "config"
_UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, MemoryError, zipfile.BadZipFile)


@contextmanager
def storage(folder: Path) -> Iterator[None]:
    """Say what cannot be written in a folder of checkpoints.

    Raises:
        ConfigError: a file is where the folder should be.
        StorageError: the disk is full or read-only.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(
            f"checkpoints={str(folder)!r} is a file, or inside one.",
            "Pass a new or empty folder.",
        ) from error
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written: {error.strerror or error}.",
            "Free some space, or pass another folder as checkpoints=.",
        ) from error


def store_model(path: Path, model: Any) -> None:
    """Write the configuration of a model and its variables.

    Raises:
        OSError: the disk is full or read-only.
    """
    config = np.frombuffer(model.to_json().encode(), np.uint8)
    _write(path, {_CONFIG: config, **_numbered(_variables(model))})


def restore_model(path: Path, given: Any) -> Any:
    """Build the model that store_model() wrote.

    Args:
        path: of the file.
        given: the live model of the user. Its library builds the other, which may have all classes
            and functions that this one has.

    Raises:
        ConfigError: the file is damaged, names what a model file may not name, or has classes that
            Keras cannot find.
    """
    try:
        arrays = _read(path)
        config = parse(arrays.pop(_CONFIG).tobytes())
        with _names(given) as (package, own):
            elements = sum(array.size for array in arrays.values())
            check_config(config, path.name, custom=own, elements=elements)
            model = _build(package, config)
        if library(given) == "keras":
            refuse_mixed_weights(config, model, "keras", path.name)
        _set(_variables(model), arrays)
    except (*_UNREADABLE, UnsupportedModelError) as error:
        raise ConfigError(
            f"The checkpoint {path} cannot be loaded: {_first_line(error)}",
            "Register layers of your own with keras.saving.register_keras_serializable(), or "
            "start again in another folder.",
        ) from error
    return model


class TrainingState:
    """How far fit() has come: the epoch, and the variables of a model and its optimizer.

    Args:
        path: of the file, which need not exist.
        model: that is trained.
        trainer: that was compiled and whose fit() is called: the model, or what it is part of.
    """

    def __init__(self, path: Path, model: Any, trainer: Any) -> None:
        self._path, self._model, self._trainer = path, model, trainer

    def save(self, epoch: int) -> None:
        """Keep the state after an epoch.

        Args:
            epoch: number of finished epochs.

        Raises:
            StorageError: the disk is full or read-only.
        """
        with storage(self._path.parent):
            _write(self._path, {"epoch": np.int64(epoch), **_numbered(self._state())})

    def restore(self) -> int:
        """Set the variables as they were kept.

        Returns:
            How many epochs are over: 0 if nothing was kept.

        Raises:
            ConfigError: the file is damaged or of another model.
        """
        if not self._path.exists():
            return 0
        try:
            arrays = _read(self._path)
            epoch = int(arrays.pop("epoch"))
            _set(self._state(), arrays)
        except _UNREADABLE as error:
            raise ConfigError(
                f"The checkpoint {self._path} cannot be loaded: {_first_line(error)}",
                f"Delete {self._path.name} to start this step again.",
            ) from error
        return epoch

    def _state(self) -> list[Any]:
        optimizer = self._trainer.optimizer
        if library(self._model) == "keras":
            if not optimizer.built:
                optimizer.build(self._trainer.trainable_variables)
            return [*_variables(self._model), *optimizer.variables]
        if hasattr(optimizer, "_create_all_weights"):  # tf_keras.optimizers.legacy
            optimizer._create_all_weights(self._trainer.trainable_variables)
        else:
            optimizer.build(self._trainer.trainable_variables)
        return [*_variables(self._model), *optimizer.variables()]


def _variables(model: Any) -> list[Any]:
    """The weights, in Keras 3 also the states of random generators."""
    return list(model.variables if library(model) == "keras" else model.weights)


@contextmanager
def _names(given: Any) -> Iterator[tuple[Any, frozenset[str]]]:
    """The library of a live model, and what its checkpoints may name besides Keras' own."""
    with ExitStack() as stack:
        own = names_of(given)
        if library(given) == "keras":
            import keras
        else:
            import tf_keras as keras
            from tensorflow_model_optimization.python.core.quantization.keras import quantize

            scope = stack.enter_context(quantize.quantize_scope())
            for objects in scope.custom_objects:
                for kind in objects.values():
                    own |= {kind.__name__, kind.__module__}
        yield keras, own


def names_of(model: Any) -> frozenset[str]:
    """All that the configuration of a live model names: its checkpoints may name it, too."""
    found = set()
    left: list[Any] = [json.loads(model.to_json())]
    while left:
        value = left.pop()
        if isinstance(value, str):
            found.add(value)
        elif isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return frozenset(found)


def _build(package: Any, config: Any) -> Any:
    """A model from its configuration.

    Raises:
        ValueError: it is not one.
    """
    if package.__name__ == "tf_keras":
        config = _without(config, "build_config")
    try:
        model = package.models.model_from_json(json.dumps(config))
    except Exception as error:  # whatever Keras comes upon in a configuration of anybody's
        raise ValueError(f"{type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(model, package.Model):
        raise ValueError("it contains no model")
    return model


def _without(value: Any, key: str) -> Any:
    """A configuration without the shapes that layers were built with.

    tf_keras builds the layers of quantisation-aware models twice if they are given.
    """
    if isinstance(value, Mapping):
        return {k: _without(v, key) for k, v in value.items() if k != key}
    return [_without(v, key) for v in value] if isinstance(value, list) else value


def _numbered(variables: Sequence[Any]) -> dict[str, Array]:
    return {str(i): np.asarray(variable.numpy()) for i, variable in enumerate(variables)}


def _set(variables: Sequence[Any], arrays: Mapping[str, Array]) -> None:
    """Give variables the values that _numbered() took.

    Raises:
        ValueError: these are of others; nothing was set.
    """
    values = [arrays.get(str(i), np.empty((0,))) for i in range(len(variables))]
    fits = len(arrays) == len(variables) and all(
        tuple(variable.shape) == value.shape
        for variable, value in zip(variables, values, strict=True)
    )
    if not fits:
        raise ValueError("its weights do not match the model")
    for variable, value in zip(variables, values, strict=True):
        # NumPy gives types that it does not know back as bytes, bfloat16 for example.
        kind = np.asarray(variable.numpy()).dtype
        variable.assign(value.view(kind) if value.dtype.kind == "V" else value)


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    part = path.with_name(f"part-{path.name}")
    with open(part, "wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


def _read(path: Path) -> dict[str, Array]:
    """All arrays of a .npz that does not unpack to more than it stores."""
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, which checkpoints never are")
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
