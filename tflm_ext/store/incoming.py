"""Recordings of other programs, as samples of 16 bits and a description."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.described import Description, Sensor, require_source
from tflm_ext.signals.recordings_arrays import from_counts, from_real
from tflm_ext.signals.sources import FULL_SCALE, Source
from tflm_ext.signals.stage import Array

_SMALLEST, _LARGEST = -39, 39  # powers of two that a scale can be
_SIMPLE = 100  # denominators of rates that are tried first


@dataclass(frozen=True)
class Incoming:
    """A recording to be imported.

    Attributes:
        samples: (samples, channels), int16.
        description: sensor, gaps, clock and origin.
        label, session: as the file says; "" if it does not.
    """

    samples: Array = field(repr=False)
    description: Description
    label: str = ""
    session: str = ""


def from_values(
    values: Array,
    sensor: Sensor,
    source: Source | None,
    where: str,
    *,
    counts: bool = False,
) -> tuple[Array, Sensor]:
    """Return numbers of a file as samples of 16 bits, and the sensor with their scale.

    With a source, they are its counts. Without one, whole numbers of int16 remain; others are
    rounded with the finest power of two as scale that covers their range.

    Args:
        values: (samples, channels), float64.
        sensor: as the file tells; its scale does not count, except for that of counts.
        where: name of the file, for messages.
        counts: whether they are counts, not real values.

    Raises:
        ConfigError: they are not finite, or do not fit the source.
    """
    if not np.isfinite(values).all():
        sample, channel = np.argwhere(~np.isfinite(values))[0].tolist()
        raise ConfigError(
            f"{where} has {values[sample, channel]:g} at sample {sample:,}, channel {channel}.",
            "Cut the recording there, and import its parts.",
        )
    if source is not None:
        own = Sensor.of(source, sensor.name)
        if own.channels == sensor.channels:
            sensor = replace(sensor, scale=own.scale, zero=own.zero)
        require_source(Description(sensor), source, where)
        if counts:
            return from_counts(values.astype(np.int64), source, where), own
        return from_real(values, source.layout, where), own
    whole = np.array_equal(values, np.rint(values)) and _fits(values)
    if counts or whole:
        if not whole:
            raise ConfigError(
                f"{where} has counts that are not integers from -32,768 to 32,767.",
                "Pass a pipeline with --check, whose source tells their range.",
            )
        return values.astype(np.int16), sensor
    scale = tuple(_scale(values[:, channel], where) for channel in range(values.shape[1]))
    found = np.rint(values / np.array(scale)).astype(np.int16)
    return found, replace(sensor, scale=scale)


def _fits(values: Array) -> bool:
    return bool(((values >= -FULL_SCALE) & (values < FULL_SCALE)).all())


def _scale(values: Array, where: str) -> float:
    """Return the smallest power of two with which values fit int16."""
    largest = float(np.abs(values).max(initial=0.0))
    if not largest:
        return 1.0
    power = max(math.frexp(largest / (FULL_SCALE - 1))[1] - 1, _SMALLEST)
    while np.rint(largest / 2.0**power) > FULL_SCALE - 1:
        power += 1
    if power > _LARGEST:
        raise ConfigError(
            f"{where} has {largest:g}, which is too large.", "Convert the values to a larger unit."
        )
    return 2.0**power


def rate_of(samples_per_second: float, tolerance: float = 1e-9) -> Fraction:
    """Return a rate as a fraction, a simple one if it is that near.

    Args:
        tolerance: relative.

    Example:
        >>> rate_of(1000 / 28.846153846153847), rate_of(62.5), rate_of(50.0000001, 1e-6)
        (Fraction(104, 3), Fraction(125, 2), Fraction(50, 1))
    """
    for denominator in range(1, _SIMPLE + 1):
        found = Fraction(round(samples_per_second * denominator), denominator)
        if found and abs(float(found) / samples_per_second - 1) <= tolerance:
            return found
    return Fraction(samples_per_second).limit_denominator(1_000_000)


def named_axes(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of channels that are short and different.

    Example:
        >>> named_axes(["x", "x", ""])
        ('x', 'c1', 'c2')
    """
    found: list[str] = []
    for number, name in enumerate(names):
        plain = "".join(letter for letter in name if letter.isprintable()).strip()[:40]
        found.append(plain if plain and plain not in found else f"c{number}")
    return tuple(found)
