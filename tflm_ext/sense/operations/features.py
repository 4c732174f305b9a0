"""Stages that give features, as TensorFlow operations: they map (clips, items, ...) to the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.arithmetic.features import INT8_MAX, INT8_MIN, real_deviations, rising_measure
from tflm_ext.sense.operations.integers import (
    constant,
    left,
    right,
    saturated,
    shifted,
    with_items,
)
from tflm_ext.sense.operations.rising import Rising, as_int8
from tflm_ext.signals.concat import ToFloat
from tflm_ext.signals.frames import StackBlock
from tflm_ext.signals.mfcc import MFCCBlock
from tflm_ext.signals.raw import RawBlock
from tflm_ext.signals.stage import Array
from tflm_ext.signals.statistics import StatisticsBlock
from tflm_ext.signals.to_int8 import ToInt8
from tflm_ext.signals.zscore import ZscoreBlock


def raw(block: RawBlock, frames: Any) -> Any:
    """Return samples as int8 values."""
    found = shifted(frames - block.source.zero_point, block.shift)
    limited = tf.clip_by_value(found, INT8_MIN, INT8_MAX)
    return with_items(limited, frames, *block.out.shape)


def stack(block: StackBlock, rows: Any) -> Any:
    """Put the last rows together: (clips, rows, n) to (clips, items, frames, n)."""
    return tf.signal.frame(rows, block.frames, block.every, axis=1)


def to_int8(block: ToInt8, items: Any) -> Any:
    """Map integers to int8 values."""
    above = tf.clip_by_value(items - block.low, 0, block.span)
    return tf.minimum((above * 256 + block.span // 2) // block.span - 128, 127)


def to_float(block: ToFloat, items: Any) -> Rising:
    """Remember which float32 numbers integers stand for."""
    least = np.full(block.source.size, -(2**31), np.int64)
    return Rising(items, least, lambda integers: block.run(integers, ())[0])


def zscore(block: ZscoreBlock, items: Any) -> Any:
    """Compute deviations from the mean."""
    if isinstance(items, Rising):
        found = as_int8(items, lambda values: real_deviations(values, *block.reals))
        return with_items(found, items.integers, *block.source.shape)
    centers, factors = block.integers
    multiplier, rest, shift = map(constant, factors.T)
    flat = with_items(items, items, block.source.size)
    sums = (flat - constant(centers)) * multiplier + rest + left(1, shift - 1)
    found = tf.clip_by_value(right(sums, shift), INT8_MIN, INT8_MAX)
    return with_items(found, items, *block.source.shape)


def mfcc(block: MFCCBlock, items: Any) -> Any:
    """Compute the cosine transform."""
    rows, bits = block.rows
    return saturated(shifted(tf.linalg.matmul(items, constant(rows.T)), bits))


def statistics(block: StatisticsBlock, frames: Any) -> Rising:
    """Compute the integers of which the measures are functions."""
    length, channels = block.source.shape
    measures = block.measures
    integers = _integers(frames - block.source.zero_point, length)

    def real(values: Array) -> Array:
        own = values.reshape(len(values), channels, len(measures))
        found = [
            rising_measure(name, own[:, :, i], length) * unit
            for i, (name, unit) in enumerate(zip(measures, block.units, strict=True))
        ]
        return np.stack(found, 2).reshape(values.shape)

    least = [-length * 2**16 if name == "mean" else 0 for name in measures]
    found = tf.stack([integers[name] for name in measures], axis=3)
    return Rising(
        with_items(found, frames, block.out.size), np.array(least * channels, np.int64), real
    )


def _integers(samples: Any, length: int) -> dict[str, Any]:
    """Return the integers of rising_measure() by name: (clips, frames, channels)."""
    total = tf.reduce_sum(samples, axis=2)
    energy = tf.reduce_sum(samples * samples, axis=2)
    most, least = tf.reduce_max(samples, axis=2), tf.reduce_min(samples, axis=2)
    spread = length * energy - total * total
    negative = samples < 0
    changes = negative[:, :, 1:] != negative[:, :, :-1]
    return {
        "mean": total,
        "rms": energy,
        "variance": spread,
        "deviation": spread,
        "peak": tf.maximum(most, -least),
        "peak_to_peak": most - least,
        "zero_crossings": tf.reduce_sum(tf.cast(changes, tf.int64), axis=2),
        "energy": energy,
    }
