"""Features: tensors inside the models that should become similar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tflm_ext.compression.arguments import is_number
from tflm_ext.errors import ConfigError

_Shape = tuple[int | None, ...]


class FeatureMatching(keras.layers.Layer):  # type: ignore[misc]
    """The mean squared difference between a feature of the student and one of the teacher.

    Both are averaged down to the smaller size along every axis but the last, or over all of these
    if one feature has none of them; a matrix maps the student's channels to the teacher's number of
    channels.

    Args:
        names: of the two layers.
        student: shape of the student's feature, without the batch.
        teacher: of the teacher's.
        weight: of the term.

    Raises:
        ConfigError: shapes that cannot be compared.
    """

    def __init__(
        self, names: tuple[str, str], student: _Shape, teacher: _Shape, weight: float
    ) -> None:
        super().__init__(name="match_" + "_".join(n.replace("/", "_") for n in names))
        if len(student) != len(teacher) and min(len(student), len(teacher)) > 1:
            raise ConfigError(
                f"The student's layer {names[0]!r} returns {student} for a sample and the "
                f"teacher's {names[1]!r} {teacher}: different numbers of axes.",
                "Choose layers with the same number of axes, or one that returns a vector.",
            )
        self.weight = weight
        self.sizes = (
            tuple(
                None if a == b or a is None or b is None else min(a, b)
                for a, b in zip(student[:-1], teacher[:-1], strict=True)
            )
            if len(student) == len(teacher)
            else None
        )
        self.projection = (
            self.add_weight(shape=(student[-1], teacher[-1]), name="projection")
            if student[-1] != teacher[-1]
            else None
        )
        self._difference = keras.losses.MeanSquaredError()
        self.built = True

    def call(self, student: Any, teacher: Any, sample_weight: Any = None) -> Any:
        """The difference as a scalar.

        Args:
            student: (batch, ..., channels).
            teacher: (batch, ..., its channels).
            sample_weight: (batch, ...).
        """
        student, teacher = (self._resized(ops.cast(x, "float32")) for x in (student, teacher))
        if self.projection is not None:
            student = ops.matmul(student, self.projection)
        count = ops.shape(student)[0]
        student, teacher = (ops.reshape(x, (count, -1)) for x in (student, teacher))
        if sample_weight is not None:
            weight = ops.reshape(ops.cast(sample_weight, "float32"), (count, -1))
            sample_weight = ops.mean(weight, axis=1)
        return self.weight * self._difference(teacher, student, sample_weight)

    def _resized(self, x: Any) -> Any:
        if self.sizes is None:
            return ops.mean(x, axis=range(1, x.ndim - 1)) if x.ndim > 2 else x
        for axis, size in enumerate(self.sizes, start=1):
            if size is not None and x.shape[axis] != size:
                averages = ops.convert_to_tensor(_averages(x.shape[axis], size))
                x = ops.moveaxis(ops.tensordot(x, averages, axes=([axis], [0])), -1, axis)
        return x


def pairs(features: Any) -> list[tuple[str, str, float]]:
    """The entries of Distiller(features=): student's layer, teacher's layer, weight.

    Raises:
        ConfigError: an entry that is neither a pair nor a pair with a weight.
    """
    found = []
    for entry in features or ():
        if isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) in {2, 3}:
            ours, theirs, weight = (*entry, 1.0)[:3]
            if is_number(weight) and 0 < weight < np.inf:
                found.append((str(ours), str(theirs), float(weight)))
                continue
        raise ConfigError(
            f"features has the entry {entry!r}.",
            'Pass pairs ("layer of the student", "layer of the teacher"), optionally with a'
            " positive weight as the third entry.",
        )
    return found


def _averages(size: int, to: int) -> Any:
    """The matrix (size, to) that averages `to` overlapping windows, as adaptive pooling does."""
    matrix = np.zeros((size, to), np.float32)
    for i in range(to):
        window = slice(i * size // to, -(-(i + 1) * size // to))
        matrix[window, i] = 1 / (window.stop - window.start)
    return matrix
