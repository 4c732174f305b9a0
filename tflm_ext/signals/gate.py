"""Gate: computes only when something happens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic.features import held, in_batches, spreads
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import expect, expect_type, real, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered

_HIGHEST = 1e12
_WIDEST = (1 << 16) - 1  # from the smallest int16 to the largest, of which half is a deviation


@registered
@dataclass(frozen=True)
class Gate:
    """Passes frames in which something happens, and leaves out the others.

    A frame passes if its samples deviate from their mean by the level or more: the root of the mean
    square, of all channels together. The mean does not count, so neither does gravity.

    A frame that is left out gives no features. It does not enter a Stack, and the model does not
    run for it; so a window of a Stack may consist of frames that did not follow one another, and
    counts and times in windows stand still. The firmware counts such frames.
    """

    VERSION: ClassVar[int] = 1

    rms: float | None = entry("The level, in the unit of the source.", default=None)
    rms_g: float | None = entry(
        "The level in g, for acceleration; either this or rms.", default=None
    )
    hold: int = entry("Frames that pass after one that reaches the level.", default=0)

    def __post_init__(self) -> None:
        if (self.rms is None) == (self.rms_g is None):
            raise ConfigError(
                "Gate needs one level: rms or rms_g.", "Pass it, as in Gate(rms_g=0.02)."
            )
        for name in ("rms", "rms_g"):
            if getattr(self, name) is not None:
                real(f"Gate.{name}", getattr(self, name), 0, _HIGHEST)
        whole("Gate.hold", self.hold, 0, 1 << 30)

    def bind(self, source: Spec) -> GateBlock:
        expect("Gate", source, Form.FRAME)
        expect_type("Gate", source, DType.INT16)
        level = self.rms if self.rms_g is None else self.rms_g
        assert level is not None  # one of them is given
        if self.rms_g is not None and source.unit != "g":
            unit = f"has the unit {source.unit!r}" if source.unit else "has no unit"
            raise ConfigError(
                f"Gate has a level in g, but the source {unit}.",
                "Pass rms=, in the unit of the source.",
            )
        counts = level / source.scale
        threshold = math.ceil(counts * counts * source.shape[0])
        length, channels = source.shape
        if 4 * threshold > length * channels * _WIDEST**2:
            most = math.sqrt(channels) * _WIDEST / 2 * source.scale
            raise ConfigError(
                f"Gate never opens: its level is {level:g}, and no frame has more than {most:g}.",
                "Pass a smaller level, in the unit of the source.",
            )
        return GateBlock(source, threshold, self.hold)


@dataclass(frozen=True)
class GateBlock:
    """Frames whose spread, added up over channels, reaches a threshold.

    Attributes:
        threshold: of the sum of squared deviations from the mean, in counts; integer.
        hold: frames that pass after one that does.
    """

    source: Spec
    threshold: int
    hold: int

    @property
    def out(self) -> Spec:
        return self.source

    def start(self) -> State:
        """Closed: no frame to pass on account of one before."""
        return (np.zeros((), np.int64),)

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        loud = in_batches(spreads, items) >= self.threshold
        passes, left = held(loud, self.hold, int(state[0]))
        return items[passes], (np.array(left, np.int64),)

    def lower(self) -> SignalCall:
        length, channels = self.source.shape
        high, low = divmod(self.threshold, 1 << 32)
        return SignalCall(
            name="gate",
            header="gate.h",
            fields=(
                ("length", length),
                ("channels", channels),
                ("threshold_high", high),
                ("threshold_low", low),
                ("hold", self.hold),
            ),
            state=(Memory("left", "uint32_t", 1),),
            gate=True,
        )
