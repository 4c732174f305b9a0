"""Datasets of TensorFlow that cannot be trained with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def _dataset(make: Any, x: Any, y: Any) -> Any:
    import tensorflow as tf

    specs = tuple(tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in (x, y))
    return tf.data.Dataset.from_generator(make, output_signature=specs)


def raising(x: Any, y: Any, after: int) -> Any:
    """So many times all samples as a batch, then an error."""

    def batches() -> Iterator[Any]:
        for _ in range(after):
            yield x, y
        raise RuntimeError("the disk is gone")

    return _dataset(batches, x, y)


def ending(x: Any, y: Any, count: int) -> Any:
    """So many batches, once: read again, it continues where it was."""
    batches = iter([(x, y)] * count)
    return _dataset(lambda: batches, x, y)


def unbatched(x: Any, y: Any) -> Any:
    """Samples."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y))
