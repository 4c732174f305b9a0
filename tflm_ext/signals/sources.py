"""Sources: what a sensor gives, as a stream of samples."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from tflm_ext.document import entry
from tflm_ext.ir import DType
from tflm_ext.signals.checks import choice, rate, real, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import registered

AXES = {"acceleration": ("x", "y", "z"), "rotation": ("x", "y", "z")}


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
        whole("Microphone.channels", self.channels, 1, 16)

    @property
    def spec(self) -> Spec:
        """The stream that it gives."""
        return Spec(
            Form.STREAM,
            DType.INT16,
            (self.channels,),
            self.rate,
            self.rate,
            unit="full scale",
            scale=2.0**-15,
            limits=(-1.0, 1.0),
        )


@registered
@dataclass(frozen=True)
class Motion:
    """Acceleration or rotation on three axes: int16 samples, of which 32768 is the range."""

    VERSION: ClassVar[int] = 1

    rate: Fraction = entry(
        'Samples per second: a number, or a text with a fraction like "119/2".',
        of=lambda stage: str(stage.rate),
        part=str,
    )
    axes: str = entry('"acceleration" or "rotation".', default="acceleration")
    range_g: float = entry("Largest acceleration, in g.", default=4.0)
    range_dps: float = entry("Fastest rotation, in degrees per second.", default=2000.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", rate("Motion.rate", self.rate))
        choice("Motion.axes", self.axes, tuple(AXES))
        real("Motion.range_g", self.range_g, 0.001, 1000)
        real("Motion.range_dps", self.range_dps, 0.001, 100_000)

    @property
    def spec(self) -> Spec:
        """The stream that it gives."""
        turning = self.axes == "rotation"
        largest = self.range_dps if turning else self.range_g
        return Spec(
            Form.STREAM,
            DType.INT16,
            (3,),
            self.rate,
            self.rate,
            unit="degrees per second" if turning else "g",
            scale=largest / 2**15,
            limits=(-largest, largest),
        )
