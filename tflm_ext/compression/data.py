"""The data of compress(): for training, calibration and measurement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tflm_ext.compression.checks import batches, check_batched, no_batches
from tflm_ext.convert.order import (
    input_specs,
    keras_output_names,
    output_names,
    output_structure,
)
from tflm_ext.convert.samples import InputSpec, gather
from tflm_ext.errors import ConfigError

_CALIBRATION = 256  # samples, enough for int8 ranges
_MEASURED = 10_000  # samples of a stream; arrays are used completely

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Data:
    """Training and validation data, checked.

    Attributes:
        train: as passed, without what was held out: (x, y), (x, y, weights), or a Dataset.
        calibration: training data, an array (samples, *shape) per input.
        inputs: validation data, likewise.
        targets: of the validation data, for the first output.
        shapes: shapes of the data, which checkpoints are bound to.
    """

    train: Any
    calibration: list[Array]
    inputs: list[Array]
    targets: Array
    shapes: str
    validation: Any

    @property
    def in_memory(self) -> bool:
        """Whether the training data consists of arrays."""
        return isinstance(self.train, tuple)

    def steps(self, batch_size: int) -> int | None:
        """Number of batches in an epoch; None if unknown."""
        if self.in_memory:
            return -(-len(keras.tree.flatten(self.train[0])[0]) // batch_size)
        if isinstance(self.train, keras.utils.PyDataset):
            return len(self.train)
        count = getattr(self.train, "cardinality", lambda: -1)()
        return int(count) if int(count) > 0 else None


def read_data(model: Any, train: Any, validation: Any, share: float, seed: int) -> Data:
    """Check the data, and hold out validation data if there is none.

    Raises:
        ConfigError: it is empty, has no targets, can only be read once, or does not fit the model.
    """
    train = _prepared(train, "train_data")
    if validation is None:
        if not isinstance(train, tuple):
            raise ConfigError(
                "validation_data is missing, and train_data cannot be split, because it is not an "
                "array.",
                "Pass validation_data=(x_val, y_val), or a Dataset; never the test data.",
            )
        train, validation = _split(train, share, seed)
    else:
        validation = _prepared(validation, "validation_data")
    ports = input_specs(model)
    calibration, _ = _collect(train, model, ports, "train_data", _CALIBRATION)
    inputs, targets = _collect(validation, model, ports, "validation_data", _MEASURED)
    shapes = [*_shapes(train), *(str(column.shape) for column in (*inputs, targets))]
    return Data(
        train,
        [c[:_CALIBRATION] for c in calibration],
        inputs,
        targets,
        ", ".join(shapes),
        validation,
    )


def _prepared(data: Any, what: str) -> Any:
    """Return (x, y[, weights]) as arrays, or the stream unchanged."""
    how = "Pass arrays (x, y), a tf.data.Dataset or a keras.utils.PyDataset."
    if isinstance(data, Iterator):
        raise ConfigError(f"{what} is a {type(data).__name__}, which can only be read once.", how)
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            raise ConfigError(f"{what} has {len(data)} parts, not x and y.", how)
        try:
            arrays = tuple(keras.tree.map_structure(np.asarray, part) for part in data)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{what} cannot be read as arrays: {error}.", how) from error
        flat = [array for part in arrays for array in keras.tree.flatten(part)]
        if not flat or any(not array.ndim for array in flat):
            raise ConfigError(f"{what} has a part without samples.", how)
        counts = {len(array) for array in flat}
        if len(counts) > 1:
            raise ConfigError(
                f"{what} has arrays of {sorted(counts)} samples.", "Pass the same number of each."
            )
        return arrays
    stream = isinstance(data, Iterable | keras.utils.PyDataset)
    if not stream or isinstance(data, str | bytes | dict | list) or hasattr(data, "__array__"):
        raise ConfigError(f"{what} is a {type(data).__name__}, not x and y.", how)
    return data


def _split(train: tuple[Any, ...], share: float, seed: int) -> tuple[Any, Any]:
    """Hold out a random fraction of the samples."""
    count = len(keras.tree.flatten(train[0])[0])
    held = round(share * count)
    if not 0 < held < count:
        raise ConfigError(
            f"train_data has {count} samples, too few to hold out {share:.0%} of them.",
            "Pass more samples, or validation_data.",
        )
    order = np.random.default_rng(seed).permutation(count)

    def part(chosen: Array) -> tuple[Any, ...]:
        return tuple(keras.tree.map_structure(lambda a: a[np.sort(chosen)], p) for p in train)

    return part(order[held:]), part(order[:held])


def _collect(
    data: Any, model: Any, ports: list[InputSpec], what: str, limit: int
) -> tuple[list[Array], Array]:
    """Return the inputs for each port, and the targets of the first output."""
    columns: list[list[Array]] = []
    targets: list[Array] = []
    count = 0
    check_batched(model, data, what)
    for x, y in _batches(data, what):
        found, _ = gather(x, ports, what)
        columns.append(found)
        targets.append(_first(y, model, what))
        if len(targets[-1]) != len(found[0]):
            raise ConfigError(
                f"{what} has {len(found[0])} samples and {len(targets[-1])} targets.",
                "Pass the same number of both.",
            )
        count += len(found[0])
        if count >= limit:
            break
    if not columns:
        raise no_batches(what)
    try:
        return [np.concatenate(c) for c in zip(*columns, strict=True)], np.concatenate(targets)
    except ValueError as error:
        raise ConfigError(
            f"{what} yields targets of different shapes: {error}.",
            "Give every sample's target the same shape.",
        ) from error


def _batches(data: Any, what: str) -> Iterator[tuple[Any, Any]]:
    for batch in [data] if isinstance(data, tuple) else batches(data, what):
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            raise ConfigError(
                f"{what} yields a {type(batch).__name__}, not x and y.",
                "Return batches (x, y) or (x, y, weights).",
            )
        yield batch[0], batch[1]


def _first(y: Any, model: Any, what: str) -> Array:
    """Return the targets of the first output, after checking that they are finite."""
    if isinstance(y, dict):
        first = output_names(model, output_structure(model))[0]
        layer = keras_output_names(model, len(model.outputs))[0]
        y = y[first] if first in y else y.get(layer)
    elif isinstance(y, tuple | list) and y and hasattr(y[0], "__array__"):
        y = y[0]
    targets = np.asarray(y)
    if targets.dtype.kind not in "fiub" or not targets.ndim:
        raise ConfigError(f"{what} has no targets.", "Pass numbers, at least one per sample.")
    if not np.isfinite(targets).all():
        raise ConfigError(
            f"The targets of {what} are not all finite (NaN or infinite).",
            "Remove or replace these samples.",
        )
    return targets


def _shapes(train: Any) -> list[str]:
    if isinstance(train, tuple):
        return [str(array.shape) for array in keras.tree.flatten(train)]
    return [str(getattr(train, "element_spec", type(train).__name__))]
