"""Takes samples from the user's training and validation data, in all of Keras' forms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import keras
import numpy as np

from tflm_ext.compression.channels.graph import pack
from tflm_ext.compression.checks import batches, check_batched, no_batches
from tflm_ext.convert.order import input_specs
from tflm_ext.convert.samples import gather
from tflm_ext.errors import ConfigError

SAMPLES = 256  # enough to rank channels and to calibrate int8


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the data.

    Attributes:
        inputs: one array per input of the model, samples first.
        x: the same, in the model's structure.
        y: targets, in the structure for loss and metrics; None without targets.
    """

    inputs: list[Any]
    x: Any
    y: Any


def take_sample(model: Any, data: Any, what: str) -> Sample:
    """Take up to 256 samples: spread over an array, or the first ones of a stream.

    Args:
        data: x; (x, y) or (x, y, weights); or a Dataset or PyDataset of such batches.
        what: name of the data in messages.

    Raises:
        ConfigError: the data is empty, can only be read once, is not finite, or does not match the
            model.
    """
    if isinstance(data, Iterator):
        raise ConfigError(
            f"{what} is a {type(data).__name__}, which can only be read once.",
            "Pass arrays (x, y), a tf.data.Dataset or a keras.utils.PyDataset.",
        )
    check_batched(model, data, what)
    x, y = _arrays(data, what) if _in_memory(data) else _streamed(data, what)
    inputs, _ = gather(x, input_specs(model), what)
    count = len(inputs[0])
    for target in keras.tree.flatten(y) if y is not None else ():
        if len(target) != count:
            raise ConfigError(
                f"{what} has {count} samples, but {len(target)} targets.",
                "Pass the same number of both.",
            )
        if np.issubdtype(target.dtype, np.floating) and not np.isfinite(target).all():
            raise ConfigError(
                f"The targets of {what} are not all finite (NaN or infinite).",
                "Remove or replace these samples.",
            )
    chosen = np.unique(np.linspace(0, count - 1, min(count, SAMPLES)).astype(int))
    inputs = [column[chosen] for column in inputs]
    if y is not None:
        y = keras.tree.map_structure(lambda column: column[chosen], y)
    return Sample(inputs, pack(model, inputs), y)


def fit_arguments(data: Any) -> dict[str, Any]:
    """Return the data as arguments of fit() and evaluate()."""
    if not _in_memory(data):
        return {"x": data}
    return dict(zip(("x", "y", "sample_weight"), data, strict=False))


def _is_array(data: Any) -> bool:
    return hasattr(data, "__array__") or isinstance(data, list | Mapping)


def _in_memory(data: Any) -> bool:
    return _is_array(data) or isinstance(data, tuple)


def _arrays(data: Any, what: str) -> tuple[Any, Any]:
    x, y = (*data, None)[:2] if isinstance(data, tuple) and data else (data, None)
    how = "Pass arrays (x, y), a tf.data.Dataset or a keras.utils.PyDataset."
    try:
        y = None if y is None else keras.tree.map_structure(np.asarray, y)
        x = keras.tree.map_structure(np.asarray, x)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} cannot be read as arrays: {error}.", how) from error
    flat = [*keras.tree.flatten(x), *(keras.tree.flatten(y) if y is not None else ())]
    if not flat or any(not array.ndim for array in flat):
        raise ConfigError(f"{what} has a part without samples.", how)
    return x, y


def _streamed(data: Any, what: str) -> tuple[Any, Any]:
    stream = isinstance(data, Iterable | keras.utils.PyDataset)
    if not stream or isinstance(data, str | bytes):
        raise ConfigError(
            f"{what} is a {type(data).__name__}.",
            "Pass arrays (x, y), a tf.data.Dataset or a keras.utils.PyDataset.",
        )
    parts: list[Any] = []
    count = 0
    for batch in islice(batches(data, what), SAMPLES):
        x, y = _arrays(batch, what)
        parts.append((x, y) if y is not None else (x,))
        count += len(keras.tree.flatten(x)[0])
        if count >= SAMPLES:
            break
    if not parts:
        raise no_batches(what)
    try:
        joined = keras.tree.map_structure(lambda *columns: np.concatenate(columns), *parts)
    except ValueError as error:
        raise ConfigError(
            f"{what} yields batches of different shapes: {error}.",
            "Use the same structure for all batches, and the same shape for all samples.",
        ) from error
    return (*joined, None)[:2]
