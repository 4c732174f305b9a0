"""What flows from one stage of a pipeline to the next."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from fractions import Fraction

from tflm_ext.ir import DType


class Form(enum.Enum):
    """What an item of the flow is."""

    STREAM = "stream"
    """A sample of every channel; `rate` is the sampling rate."""
    FRAME = "frame"
    """Consecutive samples of every channel."""
    IMAGE = "image"
    """A picture: brightness of every pixel and channel."""
    FEATURES = "features"
    """Values that describe a frame, or what a model computes from them."""
    SCORE = "score"
    """A number, int32: the higher, the more unusual or the more certain."""
    DECISION = "decision"
    """Three int32: whether there is an event (1 or 0), its label (-1 for unknown), its score."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The items between two stages.

    Attributes:
        form: what an item is.
        dtype: element type, which is also that of the C.
        shape: of an item: (channels,) of a stream, (samples, channels) of a frame, (height, width,
            channels) of an image, (values,) of features.
        rate: items per second.
        sampling: samples of a channel per second; of a stream or images, the rate.
        unit: name of the real unit, like "g"; "" where there is none.
        scale, zero_point: real = scale * (value - zero_point), in that unit.
        limits: the smallest and the largest real value that the stage before can give; None if it
            does not know.
        names: of the values of features, for reports; empty where they are numbered.
    """

    form: Form
    dtype: DType
    shape: tuple[int, ...]
    rate: Fraction
    sampling: Fraction
    unit: str = ""
    scale: float = 1.0
    zero_point: int = 0
    limits: tuple[float, float] | None = None
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Values of an item."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """Channels of a stream, a frame or an image."""
        return self.shape[-1]

    def __str__(self) -> str:
        """One line: "frame of 480 x 1 int16, 50 per second"."""
        return (
            f"{self.form.value} of {' x '.join(map(str, self.shape))} {self.dtype.value}, "
            f"{float(self.rate):.6g} per second"
        )


def short_scale(value: float) -> float:
    """Return a scale near a value, with 15 significant bits.

    The ends of the range of int8 are then exact float32 values, so the converter finds the same
    scale again.

    Example:
        >>> short_scale(26 / 256), short_scale(1 / 3)
        (0.1015625, 0.3333282470703125)
    """
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 2**15), exponent - 15)
