"""LogMel: the loudness of bands on the mel scale, with the bits of TensorFlow Lite Micro."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import fft
from tflm_ext.signals.checks import choice, expect, real, refuse, whole
from tflm_ext.signals.log_mel_block import LogMelBlock, Pcan, Subtraction
from tflm_ext.signals.mel import make_bank
from tflm_ext.signals.microfrontend import MicrofrontendBlock, make_rounded_bank
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import registered

_LIBRARIES = ("tflm", "microfrontend")


@registered
@dataclass(frozen=True)
class LogMel:
    """The natural logarithm of the magnitude in bands on the mel scale.

    Hann window, Fourier transform with block scaling, triangular filters, square root, subtraction
    of noise, gain control and logarithm, as TensorFlow Lite Micro's signal library computes them
    for its keyword models. Real values are those of TFLM's audio preprocessor: the logarithm times
    2.5, which its defaults keep from 0 to 26.

    With like="microfrontend", they are those of the older library that this one was made from,
    tensorflow/lite/experimental/microfrontend, with which the wake words of ESPHome and Home
    Assistant are trained. The two round weights in other ways, so one to three values in a
    hundred differ.
    """

    VERSION: ClassVar[int] = 1

    bands: int = entry("Bands.", default=40)
    low_hz: float = entry("Lower edge of the first band.", default=125.0)
    high_hz: float = entry("Upper edge of the last band.", default=7500.0)
    subtraction: Subtraction | None = entry(
        "Subtraction of noise; null for none.", default=Subtraction()
    )
    pcan: Pcan | None = entry(
        "Gain control, which needs the subtraction; null for none.", default=Pcan()
    )
    log_bits: int = entry("Fraction bits of the logarithm.", default=6)
    top: float = entry(
        "Real value that the largest int8 stands for; 0 is the smallest.", default=26.0
    )
    like: str = entry(
        'Whose bits: "tflm" for the signal library of TensorFlow Lite Micro, "microfrontend" for '
        "the older one.",
        default="tflm",
    )

    def __post_init__(self) -> None:
        whole("LogMel.bands", self.bands, 1, 128)
        for name, kind in (("subtraction", Subtraction), ("pcan", Pcan)):
            if not isinstance(getattr(self, name), kind | None):
                refuse(
                    f"LogMel.{name}",
                    getattr(self, name),
                    f"a {kind.__name__}",
                    "Pass one, or None.",
                )
        real("LogMel.low_hz", self.low_hz, 0, 1e6)
        real("LogMel.high_hz", self.high_hz, 1, 1e6)
        if self.low_hz >= self.high_hz:
            raise ConfigError(
                f"LogMel.low_hz={self.low_hz:g} is not below high_hz={self.high_hz:g}.",
                "Pass a lower low_hz.",
            )
        whole("LogMel.log_bits", self.log_bits, 0, 10)
        real("LogMel.top", self.top, 0.1, 10_000)
        choice("LogMel.like", self.like, _LIBRARIES)
        if self.pcan is not None and self.subtraction is None:
            raise ConfigError(
                "LogMel has gain control (pcan), but no subtraction, whose noise it needs.",
                "Pass pcan=None, too.",
            )
        if self.like == "microfrontend" and self.subtraction is not None:
            self._check_older(self.subtraction)

    @staticmethod
    def _check_older(subtraction: Subtraction) -> None:
        if subtraction.clamping or subtraction.bits != 14:
            raise ConfigError(
                'LogMel(like="microfrontend") has no clamping, and weights of the subtraction with '
                "14 bits.",
                'Leave out clamping= and bits=, or pass like="tflm".',
            )

    def bind(self, source: Spec) -> LogMelBlock:
        expect("LogMel", source, Form.FRAME)
        length, channels = source.shape
        if length % 2:
            raise ConfigError(
                f"LogMel takes frames of an even length, but they have {length} samples.",
                f"Pass Frames({length + 1}, ...).",
            )
        if source.dtype is not DType.INT16 or channels != 1:
            raise ConfigError(
                f"LogMel takes one channel of int16, but receives {source}.",
                "Use a source with one channel, such as Microphone().",
            )
        points = fft.points_for("LogMel", length)
        older = self.like == "microfrontend"
        if older and length <= fft.SHORTEST // 2:
            raise ConfigError(
                f'LogMel(like="microfrontend") takes frames of {fft.SHORTEST // 2 + 2} samples or '
                f"more, but they have {length}.",
                "Pass a larger Frames.length.",
            )
        kind: type[LogMelBlock] = MicrofrontendBlock if older else LogMelBlock
        make = make_rounded_bank if older else make_bank
        bank = make(points, source.sampling, self.bands, self.low_hz, self.high_hz)
        block = kind(source, self, points, bank)
        if self.pcan is not None:
            block.check_gain(self.pcan)
        return block
