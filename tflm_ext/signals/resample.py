"""Decimate and Resample: other sampling rates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic import filters as arithmetic
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import expect, rate, real, whole
from tflm_ext.signals.resample_design import Polyphase, phase_taps, polyphase
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered, table

_MOST_COEFFICIENTS = 1 << 14
_SLACK_DB = 4
_PASSBAND = (
    "Frequencies that pass, as a fraction of half the lower rate. Twice as close to 1 takes twice "
    "as many instructions."
)
_ATTENUATION = (
    "How far frequencies are attenuated that the lower rate cannot hold, in dB, from as far above "
    "half of it as `passband` is below. What is left is up to 6 dB more, because coefficients "
    "have 16 bits."
)


@registered
@dataclass(frozen=True)
class Decimate:
    """Keeps every `factor`-th sample, after a filter that removes what they could not hold.

    The filter has linear phase: it delays all frequencies by the same time.
    """

    VERSION: ClassVar[int] = 1

    factor: int = entry("Samples that come in for one that goes out.")
    passband: float = entry(_PASSBAND, default=0.8)
    attenuation_db: float = entry(_ATTENUATION, default=60.0)

    def __post_init__(self) -> None:
        whole("Decimate.factor", self.factor, 1, 64, "Use two Decimate, each with a part of it.")
        _check("Decimate", self.passband, self.attenuation_db)

    def bind(self, source: Spec) -> ResampleBlock:
        expect("Decimate", source, Form.STREAM)
        to = source.rate / self.factor
        return _bound("Decimate", source, to, self.passband, self.attenuation_db)


@registered
@dataclass(frozen=True)
class Resample:
    """Changes the sampling rate to another one, higher or lower, exactly.

    Both rates may be fractions. Their ratio in lowest terms should have a small numerator: the
    table has a few dozen coefficients for each count of it.
    """

    VERSION: ClassVar[int] = 1

    rate: Fraction = entry(
        'Samples per second that go out: a number, or a text with a fraction like "125000/3".',
        of=lambda stage: str(stage.rate),
        part=str,
    )
    passband: float = entry(_PASSBAND, default=0.8)
    attenuation_db: float = entry(_ATTENUATION, default=60.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", rate("Resample.rate", self.rate))
        _check("Resample", self.passband, self.attenuation_db)

    def bind(self, source: Spec) -> ResampleBlock:
        expect("Resample", source, Form.STREAM)
        return _bound("Resample", source, self.rate, self.passband, self.attenuation_db)


def _check(stage: str, passband: float, attenuation_db: float) -> None:
    real(f"{stage}.passband", passband, 0.1, 0.95)
    real(f"{stage}.attenuation_db", attenuation_db, 50, 70)


def _bound(
    stage: str, source: Spec, to: Fraction, passband: float, attenuation_db: float
) -> ResampleBlock:
    if source.dtype is not DType.INT16:
        raise ConfigError(
            f"{stage} takes samples of int16, but receives {source}.",
            f"Put {stage} directly after the source.",
        )
    ratio = to / source.rate
    up, down = ratio.numerator, ratio.denominator
    options = Fraction(passband), Fraction(attenuation_db)
    size = up * phase_taps(up, down, *options)
    if size > _MOST_COEFFICIENTS or down >= 2**20:
        raise ConfigError(
            f"{stage} from {float(source.rate):.6g} to {float(to):.6g} per second is a ratio of "
            f"{up} / {down}, which takes {size:,} coefficients; at most {_MOST_COEFFICIENTS:,} are "
            "possible.",
            "Choose a rate whose ratio has smaller numbers, or a smaller passband.",
        )
    found = polyphase(up, down, *options)
    if found.floor_db(up) < attenuation_db - _SLACK_DB:
        raise ConfigError(
            f"{stage} with {found.taps:,} coefficients of int16 attenuates by about "
            f"{found.floor_db(up):.0f} dB, not by {attenuation_db:g} dB.",
            "Pass a smaller attenuation_db or passband, or use several Decimate, each with a part "
            "of the factor.",
        )
    return ResampleBlock(source, up, down, found)


@dataclass(frozen=True, eq=False)
class ResampleBlock:
    """A filter whose output has up / down of the rate.

    Sums are exact; the output is rounded to the nearest int16, halves up, and saturated.
    """

    source: Spec
    up: int
    down: int
    filter: Polyphase

    @property
    def out(self) -> Spec:
        to = self.source.rate * Fraction(self.up, self.down)
        return replace(self.source, rate=to, sampling=to)

    @property
    def warm_up(self) -> int:
        """How many of the first outputs depend on the zeros before the start."""
        used = np.flatnonzero(self.filter.coefficients.any(axis=0))
        before = self.filter.taps - 1 - int(used[0])
        return math.ceil(Fraction(before * self.up, self.down))

    @property
    def delay(self) -> Fraction:
        """By how many seconds the output is later than the input."""
        return Fraction(self.filter.taps * self.up - 1, 2 * self.up) / self.source.rate

    def start(self) -> State:
        """Zeros before the first sample, at which the first output is due."""
        kept = np.zeros((self.filter.taps - 1, self.source.channels), np.int16)
        return (kept, np.zeros((), np.int64))

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        kept, phase = state
        samples = np.concatenate([kept, items])
        # Output n is due `phase + n * down` up-sampled steps after the first of the new samples.
        steps = np.arange(int(phase), len(items) * self.up, self.down)
        given = arithmetic.fir(
            samples, steps // self.up, steps % self.up, self.filter.coefficients, self.filter.bits
        )
        following = int(phase) + len(steps) * self.down - len(items) * self.up
        rest = samples[len(samples) - (self.filter.taps - 1) :]
        return given, (rest.copy(), np.array(following, np.int64))

    def lower(self) -> SignalCall:
        taps, channels = self.filter.taps, self.source.channels
        return SignalCall(
            name="resample",
            header="resample.h",
            fields=(
                ("channels", channels),
                ("taps", taps),
                ("up", self.up),
                ("down", self.down),
                ("bits", self.filter.bits),
            ),
            tables=(
                table(
                    "coefficients",
                    DType.INT16,
                    self.filter.coefficients,
                    f"[phase {self.up}][sample {taps}, the oldest first], times "
                    f"2^{self.filter.bits}",
                ),
            ),
            state=(
                Memory("recent", "int16_t", channels * 2 * taps),
                Memory("place", "int32_t", 2),
            ),
        )
