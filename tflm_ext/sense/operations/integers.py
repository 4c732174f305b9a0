"""Integer arithmetic of tensors, int64, as in tflm_ext.arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

UINT32_MAX = 2**32 - 1


def constant(values: Any) -> Any:
    """Return integers as an int64 tensor."""
    return tf.constant(np.asarray(values), tf.int64)


def left(values: Any, bits: Any) -> Any:
    """Return values * 2**bits."""
    return tf.bitwise.left_shift(tf.cast(values, tf.int64), tf.cast(bits, tf.int64))


def right(values: Any, bits: Any) -> Any:
    """Return values / 2**bits, rounded down."""
    return tf.bitwise.right_shift(values, tf.cast(bits, tf.int64))


def shifted(values: Any, bits: int) -> Any:
    """Return values / 2**bits, halves up."""
    return right(values + ((1 << bits) >> 1), bits)


def saturated(values: Any) -> Any:
    """Return values limited to int16."""
    return tf.clip_by_value(values, -(2**15), 2**15 - 1)


def wrap16(values: Any) -> Any:
    """Reduce to int16 as two's complement does."""
    return tf.bitwise.bitwise_and(values + 2**15, 2**16 - 1) - 2**15


def round15(values: Any) -> Any:
    """Return values / 2**15, halves up, wrapped to int16."""
    return wrap16(right(values + 2**14, 15))


def bit_length(values: Any) -> Any:
    """Return the number of bits of integers from 0 to 2**63 - 1."""
    found = tf.zeros_like(values)
    for step in (32, 16, 8, 4, 2, 1):
        upper = tf.bitwise.right_shift(values, tf.constant(step, tf.int64))
        found += tf.where(upper > 0, tf.constant(step, tf.int64), 0)
        values = tf.where(upper > 0, upper, values)
    return found + tf.where(values > 0, tf.constant(1, tf.int64), 0)


def fraction16(values: Any, whole: Any) -> Any:
    """Return values / 2**whole - 1 with 16 fraction bits, rounded down.

    Args:
        values: 1 or more.
        whole: bit_length(values) - 1.
    """
    rest = values - left(1, whole)
    longer = right(rest, tf.maximum(whole - 16, 0))
    return tf.where(whole < 16, left(rest, tf.maximum(16 - whole, 0)), longer)


def take(values: Any, places: Any) -> Any:
    """Return columns of (n, columns)."""
    return tf.gather(values, places, axis=1)


def band_sums(values: Any, edges: Any) -> Any:
    """Add up neighbouring columns: those from each edge on and before the next."""
    total = tf.pad(tf.cumsum(values, axis=1), ((0, 0), (1, 0)))
    return take(total, edges[1:]) - take(total, edges[:-1])


def with_items(values: Any, items: Any, *shape: int) -> Any:
    """Return values as (clips, items, *shape), where clips and items are those of `items`."""
    counts = [
        tf.shape(items)[axis] if items.shape[axis] is None else items.shape[axis] for axis in (0, 1)
    ]
    return tf.reshape(values, (*counts, *shape))
