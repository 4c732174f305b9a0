"""Stores models and training states of compress() on disk, as NumPy arrays and JSON.

They are not read by Keras' loaders or HDF5: a model is built from a configuration that has been
checked, and its weights are set from arrays. A file is written completely or not at all.
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
from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.storage import not_written

Array: TypeAlias = np.ndarray[Any, Any]

_CONFIG = "config"
_UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, MemoryError, zipfile.BadZipFile)


@contextmanager
def storage(folder: Path) -> Iterator[None]:
    """Report errors of writing to a folder of checkpoints.

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
        raise not_written(folder, error, "pass the same checkpoints= again") from error


def store_model(path: Path, model: Any) -> None:
    """Write a model's configuration and variables.

    Raises:
        OSError: the disk is full or read-only.
    """
    config = np.frombuffer(model.to_json().encode(), np.uint8)
    _write(path, {_CONFIG: config, **_numbered(_variables(model))})


def restore_model(path: Path, given: Any) -> Any:
    """Build the model that store_model() wrote.

    Args:
        path: of the file.
        given: the user's live model. The new model is built by the same library, and may use all
            classes and functions that this model uses.

    Raises:
        ConfigError: the file is damaged, contains names that are not allowed in model files, or
            uses classes that Keras cannot find.
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
            "Register your own layers with keras.saving.register_keras_serializable(), or start "
            "again in a new folder.",
        ) from error
    return model


class TrainingState:
    """State of a fit(): the epoch, and the variables of a model and its optimizer.

    Args:
        path: of the file, which may not exist yet.
        model: the model that is trained.
        trainer: the compiled model whose fit() is called: `model`, or one that contains it.
    """

    def __init__(self, path: Path, model: Any, trainer: Any) -> None:
        self._path, self._model, self._trainer = path, model, trainer

    def save(self, epoch: int) -> None:
        """Save the state after an epoch.

        Args:
            epoch: number of finished epochs.

        Raises:
            StorageError: the disk is full or read-only.
        """
        with storage(self._path.parent):
            _write(self._path, {"epoch": np.int64(epoch), **_numbered(self._state())})

    def restore(self) -> int:
        """Restore the saved variables.

        Returns:
            The number of finished epochs; 0 if nothing was saved.

        Raises:
            ConfigError: the file is damaged, or belongs to a different model.
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
    """Return the weights; in Keras 3, also the states of random generators."""
    return list(model.variables if library(model) == "keras" else model.weights)


@contextmanager
def _names(given: Any) -> Iterator[tuple[Any, frozenset[str]]]:
    """Yield the library of a live model, and names that its checkpoints may use in addition."""
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
    """Return all names in the configuration of a live model, which its checkpoints may use, too."""
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
    """Build a model from its configuration.

    Raises:
        ValueError: it is not the configuration of a model.
    """
    if package.__name__ == "tf_keras":
        config = _without(config, "build_config")
    try:
        model = package.models.model_from_json(json.dumps(config))
    except Exception as error:  # Keras raises many kinds for an untrusted configuration
        raise ValueError(f"{type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(model, package.Model):
        raise ValueError("it contains no model")
    return model


def _without(value: Any, key: str) -> Any:
    """Remove the shapes that layers were built with from a configuration.

    With these shapes, tf_keras would build the layers of quantisation-aware models twice.
    """
    if isinstance(value, Mapping):
        return {k: _without(v, key) for k, v in value.items() if k != key}
    return [_without(v, key) for v in value] if isinstance(value, list) else value


def _numbered(variables: Sequence[Any]) -> dict[str, Array]:
    return {str(i): np.asarray(variable.numpy()) for i, variable in enumerate(variables)}


def _set(variables: Sequence[Any], arrays: Mapping[str, Array]) -> None:
    """Set variables to the values saved by _numbered().

    Raises:
        ValueError: the values do not match the variables; nothing was set.
    """
    values = [arrays.get(str(i), np.empty((0,))) for i in range(len(variables))]
    fits = len(arrays) == len(variables) and all(
        tuple(variable.shape) == value.shape
        for variable, value in zip(variables, values, strict=True)
    )
    if not fits:
        raise ValueError("its weights do not match the model")
    for variable, value in zip(variables, values, strict=True):
        # NumPy loads types that it does not know, such as bfloat16, as bytes.
        kind = np.asarray(variable.numpy()).dtype
        variable.assign(value.view(kind) if value.dtype.kind == "V" else value)


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    part = path.with_name(f"part-{path.name}")
    with open(part, "wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


def _read(path: Path) -> dict[str, Array]:
    """Read all arrays of a .npz, which must not be compressed."""
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, which checkpoints never are")
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
