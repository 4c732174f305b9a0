"""Calibration and test data in all forms that Keras users have. Does not use TensorFlow."""

from __future__ import annotations

import itertools
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.convert import structure
from tflm_ext.convert.files import is_model_file
from tflm_ext.errors import ConfigError, StorageError
from tflm_ext.near import did_you_mean_file

Array: TypeAlias = np.ndarray[Any, Any]

MAX_STREAMED = 1000


class Order(StrEnum):
    """What is known about the order of several inputs, for data in a list."""

    OWN = "own"
    """The order of the model's arguments."""
    SORTED = "sorted"
    """Keras' own order, from the sorted keys of the user's dict."""
    UNKNOWN = "unknown"
    """There is no order; the model takes inputs by name."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of the float model.

    Attributes:
        name: its name in the user's model.
        shape: including the batch size 1.
        dtype: NumPy's name of its type.
        keras_name: name of its tensor, if `name` is the key of a dict.
        path: its place in the lists and dicts of the model's inputs.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    keras_name: str = ""
    path: structure.Path = ()

    @property
    def sample(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch."""
        return self.shape[1:]


@dataclass(frozen=True, slots=True)
class Samples:
    """The arrays of a data file.

    Attributes:
        x: one array, or a dict of them by input name; samples first.
        y: labels; None if there are none.
    """

    x: Array | dict[str, Array]
    y: Array | None = None


def load_npz(path: str | Path) -> Samples:
    """Read calibration or test data from a .npz.

    Args:
        path: file with the key x or one key per input of the model, and y for labels. Nothing in
            it is unpickled.

    Returns:
        Its arrays, x and y.

    Raises:
        ConfigError: the file does not exist, is not a .npz, contains objects, or has no samples.
        StorageError: the file cannot be read.
    """
    path = Path(path)
    if is_model_file(path):
        raise ConfigError(f"{path} is a model, not data.", "Pass a .npz file with samples.")
    how = "Write it with numpy.savez(path, x=samples, y=labels); x is an array, samples first."
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ConfigError(f"{path} is a single array, not a .npz.", how)
        with file:
            arrays = {key: file[key] for key in file.files}
    except (FileNotFoundError, IsADirectoryError) as error:
        near = did_you_mean_file(path, (".npz",)) if not os.path.exists(path) else ""
        raise ConfigError(f"There is no data file {path}.", f"{near}{how}") from error
    except (EOFError, ValueError, zipfile.BadZipFile) as error:
        # NumPy advises to allow pickles, which would run code from the file.
        reason = "it contains Python objects" if "pickle" in str(error) else str(error).rstrip(".")
        raise ConfigError(f"{path} is not a readable .npz: {reason}.", how) from error
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the file's permissions."
        ) from error
    labels = arrays.pop("y", None)
    if not arrays:
        raise ConfigError(f"{path} has neither a key x nor a key with the name of an input.", how)
    return Samples(arrays["x"] if list(arrays) == ["x"] else arrays, labels)


def gather(
    data: Any, inputs: Sequence[InputSpec], what: str, order: Order = Order.OWN
) -> tuple[list[Array], list[str]]:
    """Return the samples of each input, samples first, in the type of the input.

    Args:
        data: array; list of arrays (several inputs); dict by input name; the model's nested
            structure; (x, y) with labels, which are ignored; or an iterable of these, batched or
            not: generator, tf.data.Dataset.
        inputs: the model's inputs.
        what: name of the data in messages, like "calibration_data".
        order: what is known about the order of the inputs.

    Returns:
        One array per input, and warnings: an iterable was cut off after 1000 samples, or a list was
        used in an order that the user may not expect.

    Raises:
        ConfigError: the data is empty or not finite, or has the wrong shape or type; or it is a
            list for inputs of the same shape whose order is not known.
    """
    parts, listed = _parts(data, inputs)
    cut = False
    if parts is not None:
        columns = [_batch(p, b, what) for p, b in zip(parts, inputs, strict=True)]
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes | Mapping):
        rows, listed, cut = _streamed(iter(data), inputs, what)
        columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    else:
        raise _unfit(what, f"is a {type(data).__name__}", inputs)
    counts = {len(column) for column in columns}
    if len(counts) > 1:
        raise _unfit(
            what, f"has {sorted(counts)} samples for the inputs, which must be equal", inputs
        )
    if counts <= {0}:
        raise ConfigError(
            f"{what} has no samples.", "Pass at least 100 samples of realistic input."
        )
    warnings = [f"Of {what}, the first {MAX_STREAMED} samples were used."] if cut else []
    return columns, warnings + (_listed(inputs, what, order) if listed else [])


def _parts(data: Any, inputs: Sequence[InputSpec]) -> tuple[list[Any] | None, bool]:
    """Return one value per input, or None for data to be iterated over.

    Also return whether only the order of a list distinguishes the inputs.
    """
    if (parts := _structured(data, inputs)) is not None:
        return parts, False
    if isinstance(data, tuple) and not _is_inputs(data, inputs):
        data = data[0] if data else data  # (x, y) or (x, y, weights), as in Keras
        if (parts := _structured(data, inputs)) is not None:
            return parts, False
    if isinstance(data, list | tuple):
        return (list(data), True) if _is_inputs(data, inputs) else (None, False)
    if len(inputs) == 1 and hasattr(data, "__array__"):
        return [data], False
    return None, False


def _structured(data: Any, inputs: Sequence[InputSpec]) -> list[Any] | None:
    """Return one value per input, by its name or its place in the model's structure."""
    if isinstance(data, Mapping):
        for names in ([b.name for b in inputs], [b.keras_name for b in inputs]):
            if set(data) >= set(names) and len(set(names)) == len(inputs):
                return [data[name] for name in names]
    # One leaf too many is enough to see that the data does not match.
    values = dict(itertools.islice(structure.leaves(data), len(inputs) + 1))
    paths = {port.path for port in inputs}
    if values.keys() != paths or len(paths) != len(inputs):
        return None
    arrays = [values[port.path] for port in inputs]
    return arrays if all(hasattr(array, "__array__") for array in arrays) else None


def _listed(inputs: Sequence[InputSpec], what: str, order: Order) -> list[str]:
    """Return warnings about a list for inputs of the same shape that have no defined order."""
    shapes = [port.sample for port in inputs]
    if order is Order.OWN or len(set(shapes)) == len(shapes):
        return []
    if order is Order.UNKNOWN:
        raise _unfit(
            what,
            "is a list, but the model has several inputs of the same shape, identified by name",
            inputs,
            (),
        )
    names = ", ".join(repr(port.name) for port in inputs)
    warning = (
        f"{what} is a list, but the model takes a dict. Keras sorted its keys, and the list was "
        f"used as {names}."
    )
    return [warning]


def _is_inputs(data: Sequence[Any], inputs: Sequence[InputSpec]) -> bool:
    """Whether a list has one array per input, rather than one entry per sample."""
    return len(data) == len(inputs) and all(hasattr(part, "__array__") for part in data)


def _streamed(
    items: Iterator[Any], inputs: Sequence[InputSpec], what: str
) -> tuple[list[list[Array]], bool, bool]:
    """Return batches per input, whether they came as lists, and whether more would follow."""
    rows: list[list[Array]] = []
    listed, count = False, 0
    for item in items:
        parts, in_a_list = _parts(item, inputs)
        listed |= in_a_list
        if parts is None:
            raise _unfit(what, f"yields a {type(item).__name__}", inputs)
        row = [_batch(p, b, what) for p, b in zip(parts, inputs, strict=True)]
        rows.append(row)
        count += len(row[0])
        if count >= MAX_STREAMED:
            return rows, listed, next(items, None) is not None
    if not rows:
        raise ConfigError(
            f"{what} has no samples.", "Pass at least 100 samples of realistic input."
        )
    return rows, listed, False


def _batch(value: Any, port: InputSpec, what: str) -> Array:
    """Return samples of one input: a batch unchanged, a single sample as a batch of one."""
    array = np.asarray(value)
    where = f"{what} for input {port.name!r}"
    if array.shape == port.sample and port.sample:
        array = array[np.newaxis]
    if array.shape[1:] != port.sample or not array.ndim:
        raise ConfigError(
            f"{where} has the shape {array.shape}, but a sample has {port.sample}.",
            f"Pass an array of shape {_shape_text(port)}.",
        )
    if array.dtype.kind not in "fiub":
        raise ConfigError(
            f"{where} is of type {array.dtype}.",
            f"Pass numbers of the model's type, {port.dtype}.",
        )
    if not np.isfinite(array).all():
        raise ConfigError(
            f"{where} has values that are not finite (NaN or infinite).",
            "Remove or replace them; a single such value makes the ranges of all layers useless.",
        )
    with np.errstate(over="ignore"):
        cast = array.astype(port.dtype)
    if np.dtype(port.dtype).kind in "iu" and not np.array_equal(cast, array):
        raise ConfigError(
            f"{where} has values that do not fit into {port.dtype}.",
            f"Pass whole numbers in the range of {port.dtype}.",
        )
    if not np.isfinite(cast).all():
        raise ConfigError(
            f"{where} has values that are too large for {port.dtype}.", "Scale the data."
        )
    return cast


def _unfit(
    what: str, problem: str, inputs: Sequence[InputSpec], forms: Sequence[str] = ("a list",)
) -> ConfigError:
    if len(inputs) == 1:
        hint = f"Pass an array of shape {_shape_text(inputs[0])}, or a generator of such arrays."
    else:
        shapes = ", ".join(f"{b.name!r}: {_shape_text(b)}" for b in inputs)
        hint = f"Pass one array per input, as {' or '.join([*forms, 'a dict'])} {{{shapes}}}."
    return ConfigError(f"{what} {problem}.", hint)


def _shape_text(port: InputSpec) -> str:
    return "(" + ", ".join(itertools.chain(["samples"], map(str, port.sample))) + ")"
