"""Warnings about ranges that int8 represents poorly. Does not use TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

FEW_SAMPLES = 100
FEW_STEPS = 16
_MOST_VALUES = 100_000
_TOO_LARGE = 4.0
_TOO_SMALL = 1 / 16
_MANY = 0.05
_SEVERAL = 8
_BOUNDED = {(1 / 256, -128), (1 / 128, 0)}


def real_range(scale: float, zero_point: int) -> tuple[float, float]:
    """Return the smallest and largest real value that int8 represents.

    Example:
        >>> real_range(0.5, -128)
        (0.0, 127.5)
    """
    return scale * (-128 - zero_point), scale * (127 - zero_point)


def few_samples(count: int) -> Iterator[str]:
    """Yield a warning if there are too few calibration samples to determine the ranges."""
    if count < FEW_SAMPLES:
        yield (
            f"calibration_data has {count} samples; with fewer than {FEW_SAMPLES}, the ranges of "
            "the layers are only a guess."
        )


def always_the_same(name: str, data: Array) -> Iterator[str]:
    """Yield a warning about calibration data that does not vary.

    Args:
        name: of the input.
        data: real values, samples first.
    """
    if not data.any():
        yield (
            f"calibration_data for input {name!r} is 0 everywhere, so its int8 range is empty, and "
            "all other values are clipped."
        )
    elif len(data) > 1 and (data == data[:1]).all():
        yield (
            f"All {len(data)} samples of calibration_data for input {name!r} are the same, so the "
            "ranges of the layers are only a guess."
        )


def not_finite(name: str, values: Array) -> Iterator[str]:
    """Yield a warning about an output that is NaN or infinite in float.

    Args:
        name: of the output.
        values: outputs of the float model, samples first.
    """
    wrong = int(np.count_nonzero(~np.isfinite(values).reshape(len(values), -1).all(1)))
    if wrong:
        yield (
            f"Output {name!r} of the float model is not finite (NaN or infinite) for {wrong:,} of"
            f" {len(values):,} samples."
        )


def unscaled(name: str, what: str, data: Array, scale: float, zero_point: int) -> Iterator[str]:
    """Yield warnings about data that does not resemble an input's calibration or training data.

    Args:
        name: of the input.
        what: name of the data in messages, like "test_data".
        data: real values, samples first.
        scale: of the int8 input.
        zero_point: of the int8 input.
    """
    low, high = real_range(scale, zero_point)
    smallest, largest = float(data.min()), float(data.max())
    ratio = max(-smallest, largest) / max(-low, high)
    if ratio > _TOO_LARGE or ratio < _TOO_SMALL:
        yield (
            f"{what} for input {name!r} ranges from {smallest:.4g} to {largest:.4g}, but the int8 "
            f"input ranges from {low:.4g} to {high:.4g}. Were both scaled in the same way?"
        )
        return
    yield from _outliers(name, what, data, scale)


def _outliers(name: str, what: str, data: Array, scale: float) -> Iterator[str]:
    """Yield a warning if a few values determine the range, and leave few steps for the others.

    Data far from 0 wastes steps on its offset instead; coarse_features() warns about that.
    """
    low, high = feature_range(data)
    features = split_features(data)
    features = features[:, :: 1 + features.shape[1] // _MOST_VALUES]
    count = features.shape[1]
    cut = max(1, count // 1000)
    if count <= 2 * cut or float((high - low).max()) / scale < FEW_STEPS:
        return
    ordered = np.partition(features, (cut, count - 1 - cut), axis=1)
    low, high = ordered[:, cut], ordered[:, count - 1 - cut]
    steps = float((high - low).max()) / scale
    bulk = features[(features >= low[:, None]) & (features <= high[:, None])]
    if steps < FEW_STEPS and merges(bulk, scale):
        yield (
            f"A few outliers set the range of input {name!r}: 99.8 % of {what} share"
            f" {max(1, round(steps))} of the 256 steps; clip or scale the data."
        )


def split_features(data: Array) -> Array:
    """Group values by feature: the last axis, or the axis before a last axis of size 1.

    Args:
        data: samples first, (samples, *shape).

    Returns:
        (features, values); for images, (channels, values).

    Example:
        >>> split_features(np.zeros((100, 32, 6))).shape
        (6, 3200)
    """
    if data.ndim == 3 and data.shape[2] == 1:
        data = data[:, :, 0]
    count = data.shape[-1] if data.ndim > 1 else 1
    return data.reshape(-1, count).T


def feature_range(data: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest value of each feature."""
    ends = split_features(np.stack([data.min(0), data.max(0)]))
    return ends.min(1), ends.max(1)


def merges(values: Array, scale: float) -> bool:
    """Whether int8 makes values equal that differ by at least 1/256 of their spread."""
    values = values[:: 1 + len(values) // _MOST_VALUES].astype(np.float64)
    low, high = values.min(), values.max()
    if low == high:
        return False
    told_apart = np.unique(np.round((values - low) / (high - low) * 256))
    return len(np.unique(np.round(values / scale))) < len(told_apart)


def saturates(name: str, values: Array, scale: float, zero_point: int) -> Iterator[str]:
    """Yield a warning about an output that is often at or beyond a limit of its int8 range.

    Natural limits of layers do not count: the zero of relu, and the limits of softmax, sigmoid and
    tanh, whose scales are fixed.

    Args:
        name: of the output.
        values: outputs of the float model, samples first.
        scale: of the int8 output.
        zero_point: of the int8 output.
    """
    if (scale, zero_point) in _BOUNDED:
        return
    low, high = real_range(scale, zero_point)
    values = np.nan_to_num(values)
    outside = values >= high - scale / 2
    if low < -scale / 2:
        outside |= values <= low + scale / 2
    if np.count_nonzero(outside) >= _SEVERAL and float(np.mean(outside)) > _MANY:
        yield (
            f"Output {name!r} saturates: {100 * float(np.mean(outside)):.0f} % of its values are at"
            f" or beyond the limits of its int8 range, {low:.4g} to {high:.4g}."
        )
