"""RemoveGravity: what an accelerometer measures beyond the pull of the earth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic import filters as arithmetic
from tflm_ext.arithmetic.fixed import rounded, tan_pi
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.biquad import without_offset
from tflm_ext.signals.checks import expect, real
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered

GRAVITY_BITS = 13  # TFLM_EXT_GRAVITY_BITS
_SLOWEST = 100_000
_FASTEST = Fraction(1, 20)


@registered
@dataclass(frozen=True)
class RemoveGravity:
    """Subtracts gravity from acceleration: what stays the same on each axis.

    A high-pass of first order. The first sample of a recording counts as gravity, so that a device
    that lies still when it starts gives zeros from the beginning.
    """

    VERSION: ClassVar[int] = 1

    hz: float = entry(
        "Frequency below which acceleration counts as gravity: lower than any movement.",
        default=0.3,
    )

    def __post_init__(self) -> None:
        real("RemoveGravity.hz", self.hz, 1e-6, 1e6)

    def bind(self, source: Spec) -> RemoveGravityBlock:
        expect("RemoveGravity", source, Form.STREAM)
        if source.dtype is not DType.INT16 or source.unit != "g":
            raise ConfigError(
                f"RemoveGravity takes acceleration in g, but receives {source} in "
                f"{source.unit or 'no unit'}.",
                'Use it after Motion(rate, axes="acceleration"), or use HighPass.',
            )
        cutoff = Fraction(self.hz) / source.rate
        if not Fraction(1, _SLOWEST) <= cutoff <= _FASTEST:
            low, high = source.rate / _SLOWEST, source.rate * _FASTEST
            raise ConfigError(
                f"RemoveGravity.hz={self.hz:g} is not from {float(low):g} to {float(high):g} Hz, "
                f"which {float(source.rate):g} samples per second allow.",
                "Pass a frequency in this range.",
            )
        k = tan_pi(cutoff)
        return RemoveGravityBlock(
            source,
            gain=rounded(1 / (1 + k), GRAVITY_BITS),
            share=rounded(2 * k / (1 + k), 32),
        )


@dataclass(frozen=True, eq=False)
class RemoveGravityBlock:
    """The filter for one rate.

    Attributes:
        gain: of the samples, times 2**13.
        share: of the difference by which gravity moves with every sample, times 2**32.
    """

    source: Spec
    gain: int
    share: int

    @property
    def out(self) -> Spec:
        return without_offset(self.source)

    @property
    def warm_up(self) -> int:
        """How many of the first outputs depend on the start.

        After them, a first sample that was wrong by the whole range has moved the output by less
        than a count.
        """
        return math.ceil(17 * math.log(2) / -math.log1p(-self.share / 2**32))

    def start(self) -> State:
        """No gravity yet: (channels,), and whether there was a sample."""
        return (np.zeros(self.source.channels, np.int64), np.zeros((), np.int32))

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        gravity, started = state
        if len(items) == 0:
            return np.zeros(items.shape, np.int16), state
        numbers = items.astype(np.int64) * self.gain
        gravity = gravity.copy() if started else numbers[0] << 32
        output = np.empty(items.shape, np.int16)
        for channel in range(items.shape[1]):
            given, after = arithmetic.high_pass_int32(
                numbers[:, channel].tolist(), self.share, int(gravity[channel])
            )
            gravity[channel] = after
            rounded_up = (np.array(given, np.int64) + (1 << (GRAVITY_BITS - 1))) >> GRAVITY_BITS
            output[:, channel] = arithmetic.saturated(rounded_up)
        return output, (gravity, np.ones((), np.int32))

    def lower(self) -> SignalCall:
        return SignalCall(
            name="remove_gravity",
            header="remove_gravity.h",
            fields=(
                ("channels", self.source.channels),
                ("gain", self.gain),
                ("share", self.share),
            ),
            state=(
                Memory("gravity", "int64_t", self.source.channels),
                Memory("started", "int32_t", 1),
            ),
        )
