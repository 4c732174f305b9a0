"""Stages of streams, as TensorFlow operations: (clips, samples, channels) to the same.

Recursive filters go through samples one by one. XLA compiles them in every mode: a step has a few
dozen operations, each of which takes longer to begin than to compute elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tflm_ext.arithmetic.filters import HIGH, LOW
from tflm_ext.sense.operations.integers import constant, left, right, saturated, shifted
from tflm_ext.signals.biquad import BiquadBlock
from tflm_ext.signals.frames import FramesBlock
from tflm_ext.signals.remove_gravity import GRAVITY_BITS, RemoveGravityBlock
from tflm_ext.signals.resample import ResampleBlock


def frames(block: FramesBlock, samples: Any) -> Any:
    """Cut clips into frames: (clips, samples, channels) to (clips, frames, length, channels)."""
    settled = samples[:, block.warm_up :]
    return tf.signal.frame(settled, block.length, block.hop, axis=1)


def resample(block: ResampleBlock, samples: Any) -> Any:
    """Compute samples at another rate."""
    table = block.filter.coefficients
    count = samples.shape[1]
    end = (tf.shape(samples)[1] if count is None else count) * block.up
    steps = tf.range(end, delta=block.down) if count is None else np.arange(0, end, block.down)
    padded = tf.pad(samples, ((0, 0), (block.filter.taps - 1, 0), (0, 0)))
    weights = tf.gather(constant(table.T), steps % block.up, axis=1)
    sums = _sums(padded, weights, tf.cast(steps // block.up, tf.int32))
    return saturated(shifted(sums, block.filter.bits))


def biquad(block: BiquadBlock, samples: Any) -> Any:
    """Let clips pass through sections in int32."""
    words = block.words
    assert words is not None  # only int32 is computed here
    kind = block.cascade.kind
    factor = words.gain if kind == HIGH else 1 << words.fraction_bits
    numbers = _filtered(samples * factor, constant(words.rows), kind=kind)
    return saturated(shifted(numbers, words.fraction_bits))


def remove_gravity(block: RemoveGravityBlock, samples: Any) -> Any:
    """Subtract the slow mean of each channel, which begins with the first sample."""
    numbers = _above_mean(samples * block.gain, constant(block.share))
    return saturated(shifted(numbers, GRAVITY_BITS))


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _sums(samples: Any, weights: Any, starts: Any) -> Any:
    """Return the sums of (clips, samples, channels) times (taps, outputs), from `starts` on."""

    def add(tap: Any, total: Any) -> tuple[Any, Any]:
        part = tf.gather(samples, starts + tap, axis=1)
        return tap + 1, total + part * weights[tap][:, tf.newaxis]

    first = tf.zeros_like(tf.gather(samples, starts, axis=1))
    return tf.while_loop(lambda tap, _: tap < tf.shape(weights)[0], add, (0, first))[1]


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _filtered(numbers: Any, rows: Any, *, kind: int) -> Any:
    """As section_int32() of arithmetic.filters, section by section, from a fresh start."""
    sections = [tf.unstack(row) for row in tf.unstack(rows)]

    def step(state: Any, number: Any) -> Any:
        new = []
        for row, (band, low) in zip(sections, state[0], strict=True):
            number, *after = _section(number, row, kind, band, low)
            new.append(tuple(after))
        return tuple(new), number

    zero = tf.zeros_like(numbers[:, 0])
    start = tuple((zero, zero) for _ in sections)
    _, given = tf.scan(step, tf.transpose(numbers, (1, 0, 2)), (start, zero))
    return tf.transpose(given, (1, 0, 2))


def _section(number: Any, row: Any, kind: int, band: Any, low: Any) -> tuple[Any, Any, Any]:
    """Return what a section gives for a number of every clip and channel, and its integrators."""
    own_band, own_low, high_mix, band_mix, low_mix, band_shift, low_shift, mix_shift = row
    old_band, old_low = right(band, 32), right(low, 32)
    moved = right(left(old_band, tf.maximum(band_shift, 0)), tf.maximum(-band_shift, 0))
    high = number + left(old_low, low_shift) + moved
    band = band + own_band * high
    low = low + own_low * right(band, 32)
    if kind == HIGH:
        return high, band, low
    mixed = _product(high_mix, high)
    if kind == LOW:
        return left(mixed, mix_shift) - left(old_low, low_shift), band, low
    mixed = mixed + _product(band_mix, old_band) + _product(low_mix, old_low)
    return left(mixed, mix_shift), band, low


def _product(a: Any, b: Any) -> Any:
    """Return a * b / 2**32, halves up."""
    return shifted(a * b, 32)


@tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
def _above_mean(numbers: Any, share: Any) -> Any:
    """As high_pass_int32() of arithmetic.filters."""

    def step(state: Any, number: Any) -> tuple[Any, Any]:
        gravity, _ = state
        high = number - right(gravity, 32)
        return gravity + share * high, high

    first = numbers[:, 0]
    _, given = tf.scan(
        step, tf.transpose(numbers, (1, 0, 2)), (left(first, 32), tf.zeros_like(first))
    )
    return tf.transpose(given, (1, 0, 2))
