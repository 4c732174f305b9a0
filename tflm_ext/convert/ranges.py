"""Warnings about ranges: what fits into int8 only badly. Free of TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

FEW_SAMPLES = 100
_TOO_LARGE = 4.0
_TOO_SMALL = 1 / 16
_MANY = 0.05
_SEVERAL = 8
_BOUNDED = {(1 / 256, -128), (1 / 128, 0)}


def real_range(scale: float, zero_point: int) -> tuple[float, float]:
    """The smallest and largest real value that int8 holds at a scale and a zero point.

    Example:
        >>> real_range(0.5, -128)
        (0.0, 127.5)
    """
    return scale * (-128 - zero_point), scale * (127 - zero_point)


def few_samples(count: int) -> Iterator[str]:
    """A warning if calibration saw too few samples to know the ranges."""
    if count < FEW_SAMPLES:
        yield (
            f"calibration_data has {count} samples; with fewer than {FEW_SAMPLES} the ranges of"
            " the layers are a guess."
        )


def unscaled(name: str, what: str, data: Array, scale: float, zero_point: int) -> Iterator[str]:
    """Warnings about data that does not look like what an input was calibrated or trained with.

    Args:
        name: of the input.
        what: how the message calls the data, like "test_data".
        data: real values, samples first.
        scale: of the int8 input.
        zero_point: of the int8 input.
    """
    low, high = real_range(scale, zero_point)
    smallest, largest = float(data.min()), float(data.max())
    ratio = max(-smallest, largest) / max(-low, high)
    if ratio > _TOO_LARGE or ratio < _TOO_SMALL:
        yield (
            f"{what} for input {name!r} runs from {smallest:.4g} to {largest:.4g}, the int8 input"
            f" from {low:.4g} to {high:.4g}: were both scaled in the same way?"
        )
        return
    bulk_low, bulk_high = np.percentile(data, [0.1, 99.9])
    steps = (bulk_high - bulk_low) / scale
    if largest > smallest and steps < 256 * _TOO_SMALL:
        yield (
            f"A few outliers set the range of input {name!r}: 99.8 % of {what} share"
            f" {max(1, round(steps))} of the 256 steps; clip or scale the data."
        )


def saturates(name: str, values: Array, scale: float, zero_point: int) -> Iterator[str]:
    """A warning about an output that often lies at or beyond the ends of its int8 range.

    Ends that a layer has by nature are none: the zero of relu, and the bounds of softmax, sigmoid
    and tanh, whose scales are fixed.

    Args:
        name: of the output.
        values: what the float model gives, samples first.
        scale: of the int8 output.
        zero_point: of the int8 output.
    """
    if (scale, zero_point) in _BOUNDED:
        return
    low, high = real_range(scale, zero_point)
    outside = values >= high - scale / 2
    if low < -scale / 2:
        outside |= values <= low + scale / 2
    if np.count_nonzero(outside) >= _SEVERAL and float(np.mean(outside)) > _MANY:
        yield (
            f"Output {name!r} saturates: {100 * float(np.mean(outside)):.0f} % of its values lie at"
            f" or beyond the ends of its int8 range, {low:.4g} to {high:.4g}."
        )
