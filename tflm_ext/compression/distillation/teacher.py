"""The teacher's outputs: computed during training, or once before it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tflm_ext.compression.checks import batches, check_batched, fits
from tflm_ext.compression.distillation.models import check_model, tapped
from tflm_ext.compression.weights import whole
from tflm_ext.errors import ConfigError
from tflm_ext.storage import not_written

# The name under which the teacher's outputs are passed along with their inputs.
_KEY = "tflm_ext_teacher"


class Teacher(keras.Model):  # type: ignore[misc]
    """A model as a constant: training does not see its weights.

    It returns a flat list of float32 tensors: the outputs, then those of the named layers.

    Attributes:
        model: the teacher itself.
    """

    def __init__(self, model: Any, layers: Sequence[str] = ()) -> None:
        super().__init__(name="teacher", autocast=False)
        # Bypasses Keras' __setattr__, which would track its weights as ours. Keras still finds them
        # when saving.
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "_view", tapped(model, layers, "teacher"))
        self.shapes = [tuple(t.shape[1:]) for t in self._view.outputs]
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> list[Any]:
        """The teacher's outputs in inference mode, regardless of `training`."""
        del training
        outputs = keras.tree.flatten(self._view(inputs, training=False))
        return [keras.ops.stop_gradient(keras.ops.cast(o, "float32")) for o in outputs]

    def check(self, outputs: Sequence[Any]) -> list[Any]:
        """Refuse outputs that were computed earlier by a different teacher, or for other layers.

        Raises:
            ConfigError: their shapes differ.
        """
        given = [tuple(output.shape[1:]) for output in outputs]
        same = len(given) == len(self.shapes) and all(
            len(a) == len(b) and all(m in (n, None) for m, n in zip(a, b, strict=True))
            for a, b in zip(self.shapes, given, strict=True)
        )
        if not same:
            raise ConfigError(
                f"The teacher's outputs in the data have the shapes {given}, but this teacher's"
                f" outputs have {self.shapes}.",
                "Compute them with this teacher, and for the same features.",
            )
        return list(outputs)


@dataclass(frozen=True, slots=True, eq=False)
class TeacherOutputs:
    """A teacher's outputs for all samples of some data, computed once.

    They save time if training has many epochs without augmentation, because the teacher runs once
    instead of in every epoch. They are bound to these samples in this order.

    Example:
        outputs = tflm_ext.TeacherOutputs.compute(teacher, x_train)
        distiller.fit(outputs.attach(x_train), y_train, epochs=20)

    Attributes:
        outputs: float32 arrays (samples, ...): each output, then each layer of `features`.
        checksums: uint32 (samples,): CRC-32 of every sample's inputs.
    """

    outputs: tuple[npt.NDArray[np.float32], ...]
    checksums: npt.NDArray[np.uint32]

    @classmethod
    def compute(
        cls, teacher: Any, data: Any, *, features: Sequence[str] = (), batch_size: int = 32
    ) -> TeacherOutputs:
        """Run the teacher over the data.

        Args:
            teacher: a Keras 3 model.
            data: the inputs as fit() takes them, samples first; or a batched tf.data.Dataset,
                which must yield the same samples in the same order every time.
            features: names of layers of the teacher, as for Distiller.
            batch_size: for arrays.

        Raises:
            ConfigError: the data is empty, or the outputs are not finite.
            UnsupportedModelError: the teacher's inputs and outputs are unknown.
        """
        check_model(teacher, "teacher")
        model = Teacher(teacher, features)
        # Not predict(), which in a strategy's scope sends every batch to every replica.
        run = tf.function(lambda x: model(x, training=False), reduce_retracing=True)
        parts = []
        checksums = []
        check_batched(teacher, data, "data")
        for x in _batches(data, whole(batch_size, "batch_size", 1)):
            with fits("data"):
                parts.append([np.asarray(o, np.float32) for o in run(x)])
            checksums.append(_checksums(x))
        if not parts:
            raise ConfigError("There is no data for the teacher.", "Pass at least one sample.")
        outputs = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        for number, output in enumerate(outputs):
            bad = np.flatnonzero(~np.isfinite(output).reshape(len(output), -1).all(axis=1))
            if len(bad):
                raise ConfigError(
                    f"Output {number} of the teacher is not finite (NaN or infinite) for sample"
                    f" {bad[0]}.",
                    "Check this sample and the teacher's weights.",
                )
        return cls(outputs, np.concatenate(checksums))

    def save(self, path: str | Path) -> None:
        """Write an .npz without pickles.

        Raises:
            StorageError: the file could not be written.
        """
        try:
            with Path(path).open("wb") as file:
                arrays = {f"output{i:03}": output for i, output in enumerate(self.outputs)}
                np.savez(file, checksums=self.checksums, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            raise not_written(path, error) from error

    @classmethod
    def load(cls, path: str | Path) -> TeacherOutputs:
        """Read what save() wrote.

        Raises:
            ConfigError: no such file, or not one of save().
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                names = sorted(name for name in file.files if name.startswith("output"))
                outputs = tuple(file[name] for name in names)
                checksums = file["checksums"]
        except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as e:
            raise ConfigError(
                f"{path} is not a file of teacher outputs: {e}.",
                "Pass the path that TeacherOutputs.save() wrote to.",
            ) from e
        if not outputs or any(len(output) != len(checksums) for output in outputs):
            raise ConfigError(
                f"{path} is not a file of teacher outputs: some samples have none.",
                "Compute and save them again.",
            )
        return cls(outputs, checksums)

    def attach(self, data: Any) -> Any:
        """Combine the outputs with the inputs that they were computed for.

        Shuffle, repeat and split the result, not the data.

        Args:
            data: the inputs, or a Dataset; as for compute().

        Returns:
            The inputs as fit() of a Distiller or with a DistillationCallback takes them, or the
            Dataset with these instead of the inputs.

        Raises:
            ConfigError: these are not the same samples in the same order.
        """
        start = 0
        for x in _batches(data, max(1, len(self.checksums))):
            checksums = _checksums(x)
            end = start + len(checksums)
            known = self.checksums[start:end]
            if end > len(self.checksums):
                break
            other = np.flatnonzero(checksums != known)
            if len(other):
                raise ConfigError(
                    f"Sample {start + other[0]} is not the sample that the teacher's outputs were"
                    " computed for.",
                    "Pass the same data in the same order: shuffle and augment it after attach(), "
                    "or compute the outputs again.",
                )
            start = end
        else:
            end = start
        if end != len(self.checksums):
            raise ConfigError(
                f"The data has {'more' if end > start else start} samples and the teacher's outputs"
                f" are for {len(self.checksums)}.",
                "Pass the data that they were computed for, or compute them again.",
            )
        if not isinstance(data, tf.data.Dataset):
            return _join(data, self.outputs)
        outputs = [tf.constant(output) for output in self.outputs]

        def join(position: Any, *batch: Any) -> Any:
            batch = batch[0] if len(batch) == 1 and isinstance(batch[0], tuple) else batch
            after = position + tf.shape(keras.tree.flatten(batch[0])[0], tf.int64)[0]
            joined = _join(batch[0], tuple(output[position:after] for output in outputs))
            return after, (joined, *batch[1:])

        return data.scan(tf.constant(0, tf.int64), join)


def split(x: Any) -> tuple[Any, tuple[Any, ...] | None]:
    """Return the inputs, and the teacher's outputs if attach() added them."""
    if isinstance(x, dict) and _KEY in x:
        return x["x"], tuple(x[_KEY])
    return x, None


def _join(x: Any, outputs: tuple[Any, ...]) -> dict[str, Any]:
    return {_KEY: outputs, "x": x}


def _batches(data: Any, batch_size: int) -> Iterator[Any]:
    """Yield the inputs as NumPy arrays."""
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ConfigError(
                "The dataset never ends.", "Call repeat() on the result of attach() instead."
            )
        for batch in batches(data.as_numpy_iterator(), "data"):
            yield batch[0] if isinstance(batch, tuple) else batch
        return
    if isinstance(data, keras.utils.PyDataset | Iterator):
        raise ConfigError(
            f"The teacher's outputs cannot be bound to a {type(data).__name__}.",
            "Pass arrays or a tf.data.Dataset.",
        )
    arrays = keras.tree.map_structure(np.asarray, data)
    sizes = {len(column) if column.ndim else 0 for column in keras.tree.flatten(arrays)}
    if len(sizes) != 1:
        raise ConfigError(
            f"The inputs have different numbers of samples: {sorted(sizes)}.",
            "Pass the inputs alone, without targets, and the same number of samples for each.",
        )
    for start in range(0, sizes.pop(), batch_size):
        window = slice(start, start + batch_size)
        yield keras.tree.map_structure(lambda column, window=window: column[window], arrays)


def _checksums(x: Any) -> npt.NDArray[np.uint32]:
    columns = [
        np.ascontiguousarray(column, np.float32 if column.dtype.kind == "f" else None)
        for column in map(np.asarray, keras.tree.flatten(x))
    ]
    checksums = []
    for i in range(len(columns[0])):
        value = 0
        for column in columns:
            value = zlib.crc32(column[i].tobytes(), value)
        checksums.append(value)
    return np.array(checksums, np.uint32)
