"""Sources: what a sensor gives, as a stream of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import choice, rate, real, refuse, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import registered

FULL_SCALE = 2**15
"""Counts of full scale, of samples that use all values of int16."""
_MOST_CHANNELS = 16
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Channel:
    """How the counts and the real values of a channel are related: real = step * (count - zero).

    Attributes:
        names: of its column in a CSV; empty if only its place among the columns tells.
        unit: of real values.
        step: real value of a count.
        zero: count of the real value 0, maybe with a fraction.
        low, high: smallest and largest count.
    """

    names: tuple[str, ...]
    unit: str
    step: float
    zero: float = 0.0
    low: int = -FULL_SCALE
    high: int = FULL_SCALE - 1

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest real value."""
        return self.step * (self.low - self.zero), self.step * (self.high - self.zero)


class Source(Protocol):
    """What the first argument of a pipeline is: a frozen dataclass of entry() fields.

    Attributes:
        VERSION: as of a stage.
    """

    VERSION: ClassVar[int]

    @property
    def spec(self) -> Spec:
        """The items that it gives."""
        ...

    @property
    def layout(self) -> tuple[Channel, ...]:
        """Its channels, for recordings in real units and for columns of a CSV."""
        ...


@registered
@dataclass(frozen=True)
class Microphone:
    """Sound: int16 samples, of which 32768 is full scale."""

    VERSION: ClassVar[int] = 1

    rate: Fraction = entry(
        'Samples per second: a number, or a text with a fraction like "125000/3".',
        of=lambda stage: str(stage.rate),
        part=str,
        default=Fraction(16_000),
    )
    channels: int = entry("Microphones whose samples alternate.", default=1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", rate("Microphone.rate", self.rate))
        whole("Microphone.channels", self.channels, 1, _MOST_CHANNELS)

    @property
    def spec(self) -> Spec:
        """The stream that it gives."""
        return _full_scale(self.rate, self.channels, "full scale", 1.0)

    @property
    def layout(self) -> tuple[Channel, ...]:
        """Channels in full scale, from -1 to 1."""
        return (Channel((), "full scale", 1.0 / FULL_SCALE),) * self.channels


_KINDS = {
    "acceleration": ("a", "acc", "accel", "acceleration", "accelerometer"),
    "rotation": ("g", "gyr", "gyro", "gyroscope", "rotation"),
}
"""What a motion sensor measures, and how names of columns begin."""


@registered
@dataclass(frozen=True)
class Motion:
    """Acceleration, rotation or both on three axes: int16 samples, of which 32768 is the range.

    Real values are in g or in degrees per second. With both, there are six channels, acceleration
    first, and no common unit: to the stages of the pipeline, a real value is the share of the range
    of its channel, from -1 to 1. Recordings are in g and degrees per second then, too.
    """

    VERSION: ClassVar[int] = 1

    rate: Fraction = entry(
        'Samples per second: a number, or a text with a fraction like "119/2".',
        of=lambda stage: str(stage.rate),
        part=str,
    )
    axes: str = entry('"acceleration", "rotation" or "both".', default="acceleration")
    range_g: float = entry("Largest acceleration, in g.", default=4.0)
    range_dps: float = entry("Fastest rotation, in degrees per second.", default=2000.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", rate("Motion.rate", self.rate))
        choice("Motion.axes", self.axes, (*_KINDS, "both"))
        real("Motion.range_g", self.range_g, 0.001, 1000)
        real("Motion.range_dps", self.range_dps, 0.001, 100_000)

    @property
    def spec(self) -> Spec:
        """The stream that it gives."""
        if self.axes == "both":
            return _full_scale(self.rate, 6, "of the range", 1.0)
        unit, largest = self._unit(self.axes)
        return _full_scale(self.rate, 3, unit, largest)

    @property
    def layout(self) -> tuple[Channel, ...]:
        """Channels in g and in degrees per second; columns like "x", "ax" or "acc_x"."""
        found = []
        for kind in _KINDS if self.axes == "both" else (self.axes,):
            unit, largest = self._unit(kind)
            for axis in "xyz":
                names = tuple(start + axis for start in _KINDS[kind])
                plain = () if self.axes == "both" else (axis,)
                found.append(Channel((*plain, *names), unit, largest / FULL_SCALE))
        return tuple(found)

    def _unit(self, kind: str) -> tuple[str, float]:
        """Return unit and range of "acceleration" or "rotation"."""
        if kind == "rotation":
            return "degrees per second", float(self.range_dps)
        return "g", float(self.range_g)


@registered
@dataclass(frozen=True)
class Analog:
    """Voltages, or what a sensor makes voltages of: the counts of a converter, as int16.

    The real value of a count is low + count * (high - low) / 2**bits. A signed converter gives
    counts from -2**(bits - 1) on, for which `low` is the real value of the first one.
    """

    VERSION: ClassVar[int] = 1

    rate: Fraction = entry(
        "Samples of each channel per second: a number, or a text with a fraction.",
        of=lambda stage: str(stage.rate),
        part=str,
    )
    bits: int = entry("Bits of the converter.", default=12)
    low: float = entry("Real value of the smallest count.", default=0.0)
    high: float = entry("Real value of the count after the largest.", default=3.3)
    unit: str = entry("Unit of real values.", default="V")
    channels: int = entry("Inputs whose samples alternate.", default=1)
    signed: bool = entry("Whether counts can be negative.", default=False)
    columns: tuple[str, ...] = entry(
        "Names of the channels' columns in a CSV; by default, their order tells.", default=()
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", rate("Analog.rate", self.rate))
        _flag("Analog.signed", self.signed)
        most = "Pass a number from 1 to 15, or up to 16 with signed=True."
        whole("Analog.bits", self.bits, 1, 16 if self.signed else 15, most)
        real("Analog.low", self.low, -1e9, 1e9)
        real("Analog.high", self.high, -1e9, 1e9)
        if self.high - self.low < 1e-6 * max(abs(self.high), abs(self.low), 1e-3):
            raise ConfigError(
                f"Analog.low={self.low:g} is not below high={self.high:g}.", "Pass a lower low."
            )
        _name("Analog.unit", self.unit)
        whole("Analog.channels", self.channels, 1, _MOST_CHANNELS)
        object.__setattr__(self, "columns", _columns("Analog", self.columns, self.channels))

    @property
    def spec(self) -> Spec:
        """The stream that it gives; its zero point is rounded to a whole count."""
        (first, *_) = self.layout
        return Spec(
            Form.STREAM,
            DType.INT16,
            (self.channels,),
            self.rate,
            self.rate,
            unit=self.unit,
            scale=first.step,
            zero_point=round(first.zero),
            limits=first.range,
        )

    @property
    def layout(self) -> tuple[Channel, ...]:
        """Equal channels, whose zero is exact."""
        step = (self.high - self.low) / 2**self.bits
        smallest = -(2 ** (self.bits - 1)) if self.signed else 0
        zero = smallest - self.low / step
        largest = smallest + 2**self.bits - 1
        return tuple(
            Channel(names, self.unit, step, zero, smallest, largest)
            for names in _names(self.columns, self.channels)
        )


@registered
@dataclass(frozen=True)
class Recording:
    """Samples of any sensor: int16 values, of which each stands for `scale` units."""

    VERSION: ClassVar[int] = 1

    rate: Fraction = entry(
        "Samples of each channel per second: a number, or a text with a fraction.",
        of=lambda stage: str(stage.rate),
        part=str,
    )
    channels: int = entry("Channels whose samples alternate.", default=1)
    unit: str = entry("Unit of real values.", default="")
    scale: float = entry("Real value of 1.", default=1.0)
    columns: tuple[str, ...] = entry(
        "Names of the channels' columns in a CSV; by default, their order tells.", default=()
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", rate("Recording.rate", self.rate))
        whole("Recording.channels", self.channels, 1, _MOST_CHANNELS)
        _name("Recording.unit", self.unit)
        real("Recording.scale", self.scale, 1e-12, 1e12)
        object.__setattr__(self, "columns", _columns("Recording", self.columns, self.channels))

    @property
    def spec(self) -> Spec:
        """The stream that it gives."""
        return _full_scale(self.rate, self.channels, self.unit, self.scale * FULL_SCALE)

    @property
    def layout(self) -> tuple[Channel, ...]:
        """Equal channels."""
        return tuple(
            Channel(names, self.unit, float(self.scale))
            for names in _names(self.columns, self.channels)
        )


def _full_scale(rate: Fraction, channels: int, unit: str, largest: float) -> Spec:
    """Return a stream of int16 of which 32768 stands for `largest`."""
    return Spec(
        Form.STREAM,
        DType.INT16,
        (channels,),
        rate,
        rate,
        unit=unit,
        scale=largest / FULL_SCALE,
        limits=(-largest, largest),
    )


def _flag(what: str, value: Any) -> None:
    if not isinstance(value, bool):
        refuse(what, value, "True or False", "Pass True or False.")


def _name(what: str, value: Any) -> str:
    """Return a name that must be a short line of text, as it is printed into C and reports."""
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        refuse(what, value, "a short text", f"Pass at most {_LONGEST_NAME} characters.")
    return value


def _columns(stage: str, given: Any, channels: int) -> tuple[str, ...]:
    """Return the names of columns, of which there are none or one per channel."""
    what = f"{stage}.columns"
    if isinstance(given, str) or not isinstance(given, Sequence):
        refuse(what, given, "a list of names", f'Pass {channels} names, as in ("left",).')
    found = tuple(_name(what, name).strip() for name in given)
    if found and (len(found) != channels or len(set(found)) < channels or "" in found):
        refuse(
            what,
            given,
            f"one name for each of {channels} channels",
            "Pass as many different names as there are channels, or none.",
        )
    return found


def _names(columns: Sequence[str], channels: int) -> list[tuple[str, ...]]:
    """Return the names of every channel: the given one, or none."""
    return [(name,) for name in columns] or [()] * channels
