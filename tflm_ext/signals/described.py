"""What a JSON next to a recording says of it: its sensor, and where samples are missing."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from tflm_ext.document import entry, from_json, to_json
from tflm_ext.errors import ConfigError
from tflm_ext.signals.checks import rate, real, refuse
from tflm_ext.signals.recordings_bytes import not_read
from tflm_ext.signals.sources import Source
from tflm_ext.storage import shown

FORMAT = "tflm_ext.recording"
VERSION = 1
_MOST_BYTES = 1 << 22
_MOST_CHANNELS = 16
_MOST_GAPS = 10_000
_MOST_SAMPLES = 1 << 40
_LONGEST_TEXT = 200
_LONGEST_NAME = 40
_LONGEST_EVENT = 4096
_EQUAL = 1e-6
"""By which part rates and scales of the same sensor may differ: that of printed decimals."""


@dataclass(frozen=True)
class Sensor:
    """What gave samples, and what they are: real value = scale * (count - zero)."""

    name: str = entry("What measured, like LSM9DS1.")
    rate: Fraction = entry(
        'Samples of each channel per second, as a text like "50" or "119/2".',
        of=lambda sensor: str(sensor.rate),
        part=str,
    )
    axes: tuple[str, ...] = entry("Names of the channels.")
    units: tuple[str, ...] = entry('Unit of each channel; "" where there is none.')
    scale: tuple[float, ...] = entry("Real value of one count of each channel.")
    zero: tuple[float, ...] = entry("Count of the real value 0 of each channel.")

    def __post_init__(self) -> None:
        _text("Sensor.name", self.name)
        object.__setattr__(self, "rate", rate("Sensor.rate", self.rate))
        for name in ("axes", "units", "scale", "zero"):
            values = getattr(self, name)
            if isinstance(values, str) or not isinstance(values, Sequence):
                refuse(f"Sensor.{name}", values, "a list", "Pass one value for each channel.")
            object.__setattr__(self, name, tuple(values))
            if len(values) != len(self.axes) or not 1 <= len(values) <= _MOST_CHANNELS:
                refuse(
                    f"Sensor.{name}",
                    values,
                    "a value for each channel",
                    f"Pass as many as there are axes, at most {_MOST_CHANNELS}.",
                )
        for axis, unit in zip(self.axes, self.units, strict=True):
            _text("Sensor.axes", axis, _LONGEST_NAME)
            _text("Sensor.units", unit, _LONGEST_NAME)
        if len(set(self.axes)) < len(self.axes) or "" in self.axes:
            refuse("Sensor.axes", self.axes, "a list of different names", "Name each channel.")
        scale = tuple(real("Sensor.scale", value, 1e-12, 1e12) for value in self.scale)
        zero = tuple(real("Sensor.zero", value, -1e12, 1e12) for value in self.zero)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero", zero)

    @classmethod
    def of(cls, source: Source, name: str = "") -> Sensor:
        """Return the sensor of a pipeline's source.

        Args:
            source: of streams, like Motion(50).
            name: of the sensor; by default, that of the source's class.

        Raises:
            ConfigError: the source gives images.
        """
        if len(source.spec.shape) != 1:
            raise ConfigError(
                f"{type(source).__name__} gives images, which are not recorded as WAV.",
                "Keep pictures as PNG files in a folder.",
            )
        layout = source.layout
        axes = [own.names[-1] if own.names else f"c{i}" for i, own in enumerate(layout)]
        if len(layout) == 3 and all("xyz"[i] in own.names for i, own in enumerate(layout)):
            axes = list("xyz")
        return cls(
            name=name or type(source).__name__,
            rate=source.spec.rate,
            axes=tuple(axes),
            units=tuple(own.unit for own in layout),
            scale=tuple(float(own.step) for own in layout),
            zero=tuple(float(own.zero) for own in layout),
        )

    @property
    def channels(self) -> int:
        """Channels whose samples alternate."""
        return len(self.axes)


@dataclass(frozen=True)
class Description:
    """The JSON next to a WAV file of a store."""

    sensor: Sensor = entry("What gave the samples.")
    firmware: str = entry("SHA-256 of the model in the firmware, or its version.", default="")
    pipeline: str = entry("SHA-256 of the pipeline in the firmware.", default="")
    gaps: tuple[tuple[int, int], ...] = entry(
        "Pairs: before this sample of the file, that many are missing.", default=()
    )
    clock: tuple[tuple[int, int], ...] = entry(
        "Pairs: this sample of the file was taken at that time of the device, in microseconds.",
        default=(),
    )
    jitter_us: int = entry(
        "Largest difference of the time between two blocks of samples from what the rate says, in "
        "microseconds.",
        default=0,
    )
    who: str = entry("The person who recorded, or who was recorded.", default="")
    when: str = entry("Time of the first sample, ISO 8601.", default="")
    complete: bool = entry("Whether the recording was closed as it should be.", default=False)
    note: str = entry("What else is worth knowing.", default="")
    event: Mapping[str, Any] | None = entry("What the device reported, of a capture.", default=None)

    def __post_init__(self) -> None:
        for name in ("firmware", "pipeline", "who", "when", "note"):
            _text(f"Description.{name}", getattr(self, name))
        for name in ("gaps", "clock"):
            pairs = tuple(tuple(pair) for pair in getattr(self, name))
            object.__setattr__(self, name, pairs)
            if not _ascending(pairs, _MOST_GAPS):
                refuse(
                    f"Description.{name}",
                    pairs,
                    f"a list of at most {_MOST_GAPS:,} ascending pairs",
                    "Pass pairs of integers, each with a greater sample than the one before.",
                )
        _time(self.when)
        if self.event is not None:
            _plain(self.event)
        if any(count < 1 for _, count in self.gaps):
            refuse("Description.gaps", self.gaps, "a list of samples", "Pass counts from 1.")

    def ranges(self, samples: int) -> list[tuple[int, int]]:
        """Return the parts of a recording between its gaps: first sample, and that after the last.

        Args:
            samples: of the file.
        """
        cuts = [0, *(at for at, _ in self.gaps if 0 < at < samples), samples]
        return [(start, stop) for start, stop in itertools.pairwise(cuts) if start < stop]

    def to_text(self) -> str:
        """Return it as JSON, which described() reads."""
        content = {"format": FORMAT, "version": VERSION, **to_json(Description, self)}
        return json.dumps(content, indent=1) + "\n"


def _text(what: str, value: Any, longest: int = _LONGEST_TEXT) -> None:
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        refuse(what, value, "a short text", f"Pass one line of at most {longest} characters.")


def _time(when: str) -> None:
    try:
        if when:
            datetime.fromisoformat(when)
    except ValueError:
        refuse("Description.when", when, "a time", 'Pass one like "2026-04-12T09:30:00+02:00".')


def _plain(event: Mapping[str, Any]) -> None:
    """Require what JSON can hold, and a reader takes."""
    try:
        size = len(json.dumps(dict(event), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        size = _LONGEST_EVENT + 1
    if size > _LONGEST_EVENT:
        refuse(
            "Description.event",
            event,
            "a short object of JSON",
            f"Pass texts and finite numbers, at most {_LONGEST_EVENT:,} bytes.",
        )


def _ascending(pairs: Sequence[tuple[Any, ...]], most: int) -> bool:
    """Whether these are pairs of integers, whose first ones ascend."""
    if len(pairs) > most or not all(
        len(pair) == 2 and all(isinstance(n, int) and 0 <= n < 2**63 for n in pair)
        for pair in pairs
    ):
        return False
    firsts = [first for first, _ in pairs]
    ascend = all(a < b for a, b in itertools.pairwise(firsts))
    return ascend and all(first < _MOST_SAMPLES for first in firsts)


# ---------------------------------------------------------------- reading


def beside(path: Path) -> Path:
    """Return the place of the JSON that describes a WAV file."""
    return path.with_suffix(".json")


def described(path: Path) -> Description | None:
    """Return what the JSON next to a recording says; None if there is none of this format.

    Raises:
        ConfigError: it is damaged, or a newer version wrote it.
        StorageError: it cannot be read.
    """
    if path.suffix.lower() != ".wav":
        return None
    place = beside(path)
    try:
        if not place.is_file():
            return None
        with place.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise not_read(shown(place), error) from error
    return read_description(text, shown(place)) if FORMAT.encode() in text else None


def read_description(text: bytes, where: str) -> Description:
    """Return what Description.to_text() wrote.

    Args:
        where: its name, for messages.

    Raises:
        ConfigError: it is damaged, or a newer version wrote it.
    """
    if len(text) > _MOST_BYTES:
        raise _damaged(where, f"it has more than {_MOST_BYTES >> 20} MiB")
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(where, "it is not JSON") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _damaged(where, f'it has no "format": "{FORMAT}"')
    version = content.get("version")
    if version != VERSION:
        raise ConfigError(
            f"{where} is of version {version!r:.20}; this is version {VERSION}.",
            "Install a newer tflm_ext.",
        )
    try:
        found: Description = from_json(Description, content)
    except (ValueError, OverflowError) as error:
        raise _damaged(where, str(error)) from error
    except ConfigError as error:
        raise _damaged(where, error.problem.rstrip(".")) from error
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _damaged(where: str, why: str) -> ConfigError:
    return ConfigError(
        f"{where} is not the description of a recording: {why}.",
        "Restore the file, or remove it and import the WAV file again.",
    )


# ---------------------------------------------------------------- compared with a source


def require_source(found: Description, source: Source, where: str) -> None:
    """Require that a recording is one of a source: rate, channels, units and scales.

    Args:
        where: name of the recording, for messages.

    Raises:
        ConfigError: it is one of something else.
    """
    sensor, layout = found.sensor, source.layout
    wanted = source.spec.rate
    if not math.isclose(sensor.rate, wanted, rel_tol=_EQUAL):
        raise ConfigError(
            f"{where} has {float(sensor.rate):.6g} samples per second; the source has "
            f"{float(wanted):.6g}.",
            f'Use a source with rate="{sensor.rate}", or record again.',
        )
    if sensor.channels != len(layout):
        raise ConfigError(
            f"{where} has {_listed(sensor.axes)}; the source has channels: {len(layout)}.",
            "Use a source with these channels, or record again.",
        )
    for i, channel in enumerate(layout):
        unit = sensor.units[i]
        if unit and channel.unit and unit != channel.unit:
            raise ConfigError(
                f"{where} has {sensor.axes[i]!r} in {unit}; the source's unit is {channel.unit}.",
                "Use a source with this unit, or record again.",
            )
        if unit and channel.unit and not math.isclose(sensor.scale[i], channel.step, rel_tol=1e-4):
            raise ConfigError(
                f"{where} has {sensor.scale[i]:.6g} {unit} per count of {sensor.axes[i]!r}; the "
                f"source has {channel.step:.6g}.",
                "Use a source with this range, or record again.",
            )


def _listed(axes: Sequence[str]) -> str:
    return f"the axis {axes[0]!r}" if len(axes) == 1 else f"the axes {', '.join(axes)}"
