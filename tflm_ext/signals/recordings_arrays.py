"""Arrays as samples: checked, and converted from real units to the counts of a source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.sources import Channel, Source
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array

_BLOCK = 1 << 18
"""Samples that are converted at once, so that memory stays small."""
_FAR = 8.0
"""A value that is this many times as large as the range has another unit."""


def samples_of(given: Any, source: Source, where: str) -> Array:
    """Return an array as samples of a source.

    Args:
        given: an array or nested lists, (samples, channels), or (samples,) of one channel. Integers
            are counts of the source, floats are in its real units.
        where: name of the recording, for messages.

    Returns:
        (samples, channels) of the source's type; of images, (images, height, width, channels).

    Raises:
        ConfigError: it does not fit.
    """
    if source.spec.form is Form.IMAGE:
        return _images(numbers(given, where), source.spec, where)
    array = _shaped(numbers(given, where), source.spec, where)
    if array.dtype.kind == "f":
        return from_real(array, source.layout, where)
    return from_counts(array, source, where)


def numbers(given: Any, where: str) -> Array:
    """Return an array of numbers.

    Raises:
        ConfigError: it is something else, or some of its values are masked.
    """
    how = "Pass an array of numbers: integers are counts, floats are in the source's unit."
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise ConfigError(
            f"{where} has masked values.", "Cut the recording there, and pass its parts."
        )
    try:
        array = np.asarray(given)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise ConfigError(f"{where} is not an array: its rows differ in length.", how) from error
    if array.dtype.kind not in "iuf":
        kind = type(given).__name__ if array.ndim == 0 else f"{array.dtype} array"
        raise ConfigError(f"{where} is not an array of numbers, but a {kind:.40}.", how)
    return array


def _shaped(array: Array, spec: Spec, where: str) -> Array:
    """Return (samples, channels)."""
    if array.ndim == 1 and spec.channels == 1:
        return array[:, np.newaxis]
    if array.ndim == 2 and array.shape[1] == spec.channels:
        return array
    wanted = f"(samples, {spec.channels})"
    if array.ndim == 2 and array.shape[0] == spec.channels:
        remedy = f"Pass {wanted}: its transpose, array.T."
    elif array.ndim == 2:
        remedy = f"Pass {wanted}, or a source with channels={array.shape[1]}."
    else:
        remedy = f"Pass {wanted}."
    raise ConfigError(
        f"{where} has the shape {array.shape}; the source has {_channels(spec.channels)}.", remedy
    )


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def from_counts(counts: Array, source: Source, where: str) -> Array:
    """Return integers as samples, unchanged.

    Args:
        counts: (samples, channels), integers.

    Raises:
        ConfigError: one is not a count of the source.
    """
    layout = source.layout
    low = np.array([channel.low for channel in layout])
    high = np.array([channel.high for channel in layout])
    for start in range(0, len(counts), _BLOCK):
        block = counts[start : start + _BLOCK]
        outside = (block < low) | (block > high)
        if outside.any():
            sample, channel = np.argwhere(outside)[0].tolist()
            known = layout[channel]
            raise ConfigError(
                f"{where} has {block[sample, channel]:g} at {_place(start + sample, channel)}; "
                f"counts of the source are from {known.low:,} to {known.high:,}.",
                f"Pass counts in this range, or floats{_in(known.unit)}.",
            )
    return counts.astype(source.spec.dtype.numpy)


def from_real(values: Array, layout: Sequence[Channel], where: str) -> Array:
    """Return real values as int16: rounded to nearest, halves to even, and saturated.

    Args:
        values: (samples, channels), floats in the units of the channels.
        layout: the channels.

    Raises:
        ConfigError: a value is not finite, or they clearly have another unit.
    """
    step = np.array([channel.step for channel in layout])
    zero = np.array([channel.zero for channel in layout])
    low = np.array([channel.low for channel in layout])
    high = np.array([channel.high for channel in layout])
    found = np.empty(values.shape, np.int16)
    outside = np.zeros(len(layout), np.int64)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK].astype(np.float64)
        _finite(block, start, where)
        with np.errstate(over="ignore"):
            counts = np.rint(block / step + zero)
        far = np.abs(counts - (low + high) / 2) > _FAR * (high - low + 1) / 2
        if far.any():
            sample, channel = np.argwhere(far)[0].tolist()
            place = _place(start + sample, channel)
            raise _unit(f"{where} has {block[sample, channel]:g} at {place}", layout[channel])
        outside += ((counts < low - 1) | (counts > high + 1)).sum(axis=0)
        found[start : start + _BLOCK] = np.clip(counts, low, high)
    for channel, count in enumerate(outside.tolist()):
        if 2 * count > len(values):
            raise _unit(
                f"{where} is out of range at {count:,} of {len(values):,} samples of channel "
                f"{channel}",
                layout[channel],
            )
    return found


def _finite(block: Array, start: int, where: str) -> None:
    if not np.isfinite(block).all():
        sample, channel = np.argwhere(~np.isfinite(block))[0].tolist()
        raise ConfigError(
            f"{where} has {block[sample, channel]:g} at {_place(start + sample, channel)}.",
            "Cut the recording there, and pass its parts: a filter never recovers from it.",
        )


def _place(sample: int, channel: int) -> str:
    return f"sample {sample:,}, channel {channel}"


def _in(unit: str) -> str:
    return f" in {unit}" if unit else ""


def _unit(problem: str, channel: Channel) -> ConfigError:
    low, high = channel.range
    return ConfigError(
        f"{problem}; the source's range is {low:g} to {high:g}{_in(channel.unit)}.",
        "Convert the values to this unit, pass counts as integers, or clip them with numpy.clip().",
    )


def _images(array: Array, spec: Spec, where: str) -> Array:
    """Return (images, height, width, channels), uint8.

    Args:
        array: a single image or several ones, of which the axis of the channel may be left out if
            there is only one. Integers from 0 to 255, or floats from 0 to 1.
    """
    height, width, channels = spec.shape
    shape = array.shape
    if channels == 1 and shape[-2:] == (height, width) and shape[-3:] != spec.shape:
        shape = (*shape, 1)
    if shape[-3:] != spec.shape or len(shape) > 4:
        wanted = f"(images, {height}, {width}, {channels})"
        raise ConfigError(
            f"{where} has the shape {array.shape}; images of the source have {spec.shape}.",
            f"Pass {wanted}; to make images smaller, use a source of their size and Resize.",
        )
    images = array.reshape(-1, *spec.shape)
    found = np.empty(images.shape, np.uint8)
    whole = array.dtype.kind != "f"
    for number, image in enumerate(images):
        values = image if whole else image.astype(np.float64)
        most = 255 if whole else 1
        wrong = ~((values >= 0) & (values <= most))  # with NaN
        if wrong.any():
            value = values[tuple(np.argwhere(wrong)[0])]
            raise ConfigError(
                f"{where} has {value:g} in image {number:,}; pixels are from 0 to {most}.",
                "Pass integers from 0 to 255, or floats from 0 to 1.",
            )
        found[number] = values if whole else np.rint(values * 255)
    return found


def missing_channels(found: int, source: Source, where: str, remedies: Sequence[str]) -> None:
    """Require the number of channels of a file.

    Args:
        remedies: for too few and for too many channels.

    Raises:
        ConfigError: there are more or fewer.
    """
    wanted = source.spec.channels
    if found != wanted:
        raise ConfigError(
            f"{where} has {_channels(found)}; the source has {_channels(wanted)}.",
            remedies[found > wanted],
        )
