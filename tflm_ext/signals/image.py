"""Images: their source, and the stages that cut out a part and make them int8."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic import images as arithmetic
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import expect, rate, refuse, whole
from tflm_ext.signals.sources import Channel
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered

LARGEST = 2048
"""Pixels of a side."""
_LEVELS = 255
_PIXELS_OF_COLOUR = 3


@registered
@dataclass(frozen=True)
class Image:
    """A camera: images of uint8 values, 255 for full brightness; real values are from 0 to 1.

    A pipeline of images needs no Frames. What remains of an image after the last stage becomes the
    model's int8 input: its values less 128.
    """

    VERSION: ClassVar[int] = 1

    height: int = entry("Rows of an image.")
    width: int = entry("Pixels of a row.")
    channels: int = entry("1 for brightness, 3 for red, green and blue.", default=1)
    rate: Fraction = entry(
        "Images per second: a number, or a text with a fraction.",
        of=lambda stage: str(stage.rate),
        part=str,
        default=Fraction(1),
    )

    def __post_init__(self) -> None:
        whole("Image.height", self.height, 1, LARGEST)
        whole("Image.width", self.width, 1, LARGEST)
        whole("Image.channels", self.channels, 1, _PIXELS_OF_COLOUR)
        if self.channels not in (1, _PIXELS_OF_COLOUR):
            refuse("Image.channels", self.channels, "1 or 3", "Pass 1 for grey, 3 for colour.")
        object.__setattr__(self, "rate", rate("Image.rate", self.rate))

    @property
    def spec(self) -> Spec:
        """The images that it gives."""
        return Spec(
            Form.IMAGE,
            DType.UINT8,
            (self.height, self.width, self.channels),
            self.rate,
            self.rate,
            scale=float(np.float32(1 / _LEVELS)),
            limits=(0.0, 1.0),
        )

    @property
    def layout(self) -> tuple[Channel, ...]:
        """Brightness of every channel."""
        return (Channel((), "", 1 / _LEVELS, 0.0, 0, _LEVELS),) * self.channels


def expect_pixels(stage: str, source: Spec) -> None:
    """Require images of uint8.

    Raises:
        ConfigError: it is something else, maybe what Grey has made of them.
    """
    expect(stage, source, Form.IMAGE)
    if source.dtype is not DType.UINT8:
        raise ConfigError(f"{stage} receives what Grey gives: {source}.", f"Put {stage} first.")


# ---------------------------------------------------------------- Crop


@registered
@dataclass(frozen=True)
class Crop:
    """A part of every image, by default from its middle."""

    VERSION: ClassVar[int] = 1

    height: int = entry("Rows that remain.")
    width: int = entry("Pixels of a row that remain.")
    top: int | None = entry(
        "Rows above the part; by default, half of those that are cut off, rounded down.",
        default=None,
    )
    left: int | None = entry("Pixels left of the part; by default, in the same way.", default=None)

    def __post_init__(self) -> None:
        whole("Crop.height", self.height, 1, LARGEST)
        whole("Crop.width", self.width, 1, LARGEST)
        for name in ("top", "left"):
            if getattr(self, name) is not None:
                whole(f"Crop.{name}", getattr(self, name), 0, LARGEST)

    def bind(self, source: Spec) -> CropBlock:
        expect_pixels("Crop", source)
        height, width, _ = source.shape
        top = (height - self.height) // 2 if self.top is None else self.top
        left = (width - self.width) // 2 if self.left is None else self.left
        if not (0 <= top <= height - self.height and 0 <= left <= width - self.width):
            raise ConfigError(
                f"Crop takes {self.height} x {self.width} pixels from row {top}, column {left} on, "
                f"but images have {height} x {width}.",
                "Pass a smaller part, or put Resize before Crop.",
            )
        return CropBlock(source, top, left, self.height, self.width)


@dataclass(frozen=True)
class CropBlock:
    """A part of images of one size."""

    source: Spec
    top: int
    left: int
    height: int
    width: int

    @property
    def out(self) -> Spec:
        return replace(self.source, shape=(self.height, self.width, self.source.channels))

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        rows = items[:, self.top : self.top + self.height]
        return np.ascontiguousarray(rows[:, :, self.left : self.left + self.width]), state

    def lower(self) -> SignalCall:
        channels = self.source.channels
        stride = self.source.shape[1] * channels
        return SignalCall(
            name="image_crop",
            header="image_crop.h",
            fields=(
                ("first", self.top * stride + self.left * channels),
                ("stride", stride),
                ("rows", self.height),
                ("row", self.width * channels),
            ),
        )


# ---------------------------------------------------------------- int8


@registered
@dataclass(frozen=True)
class Grey:
    """The brightness of every pixel, as int8: -128 is black, 127 is white.

    Red, green and blue count 0.299, 0.587 and 0.114, as ITU-R BT.601 has it, with 15 fraction bits;
    the sum is rounded to nearest, halves up. An image that is grey already only becomes int8.
    """

    VERSION: ClassVar[int] = 1

    def bind(self, source: Spec) -> PixelsBlock:
        expect_pixels("Grey", source)
        return PixelsBlock(source, grey=source.channels == _PIXELS_OF_COLOUR)


@dataclass(frozen=True)
class PixelsBlock:
    """Images of uint8 as int8, with one or with all channels.

    Attributes:
        grey: whether red, green and blue become brightness.
    """

    source: Spec
    grey: bool

    @property
    def out(self) -> Spec:
        height, width, channels = self.source.shape
        return replace(
            self.source,
            dtype=DType.INT8,
            shape=(height, width, 1 if self.grey else channels),
            zero_point=-128,
        )

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        levels = arithmetic.grey(items) if self.grey else items.astype(np.int64)
        return (levels - 128).astype(np.int8), state

    def lower(self) -> SignalCall:
        return SignalCall(
            name="image_grey" if self.grey else "image_int8",
            header="image_int8.h",
            fields=(("count", self.out.size),),
        )
