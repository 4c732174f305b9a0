"""HighPass, LowPass and Biquad: recursive filters of a stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic import filters as arithmetic
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.biquad_design import Cascade, Section, butterworth
from tflm_ext.signals.biquad_response import balanced, inside, settling
from tflm_ext.signals.biquad_words import Words, float_error, float_rows, integer_words
from tflm_ext.signals.checks import choice, expect, real, refuse, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered, table

ARITHMETICS = ("int32", "float32")
_BLOCK = 32
_MOST_SECTIONS = 8
_SLOWEST = 4_000
_FASTEST = Fraction(9, 20)
_MOST_ERROR = 2.0
_ARITHMETIC = (
    '"int32" or "float32". Both give int16, with other bits. int32 takes fewer instructions on '
    "every core, and is more exact where the cutoff is far below the rate."
)


@registered
@dataclass(frozen=True)
class HighPass:
    """Removes what changes slowly: a constant offset, gravity, drift, rumble.

    A Butterworth filter: flat above the cutoff, and down to half the power at it.
    """

    VERSION: ClassVar[int] = 1

    hz: float = entry("Cutoff: the frequency that is left with half its power.")
    order: int = entry("Number of poles: each takes away 6 dB an octave.", default=2)
    arithmetic: str = entry(_ARITHMETIC, default="int32")

    def __post_init__(self) -> None:
        _check("HighPass", self.hz, self.order, self.arithmetic)

    def bind(self, source: Spec) -> BiquadBlock:
        return _butterworth("HighPass", source, self.hz, self.order, self.arithmetic, high=True)


@registered
@dataclass(frozen=True)
class LowPass:
    """Removes what changes fast, such as noise.

    A Butterworth filter: flat below the cutoff, and down to half the power at it.
    """

    VERSION: ClassVar[int] = 1

    hz: float = entry("Cutoff: the frequency that is left with half its power.")
    order: int = entry("Number of poles: each takes away 6 dB an octave.", default=2)
    arithmetic: str = entry(_ARITHMETIC, default="int32")

    def __post_init__(self) -> None:
        _check("LowPass", self.hz, self.order, self.arithmetic)

    def bind(self, source: Spec) -> BiquadBlock:
        return _butterworth("LowPass", source, self.hz, self.order, self.arithmetic, high=False)


@registered
@dataclass(frozen=True)
class Biquad:
    """A recursive filter with given coefficients, like a notch or a band-pass.

    They are second-order sections as scipy.signal gives them with output="sos". They belong to a
    sampling rate, which the pipeline cannot check.
    """

    VERSION: ClassVar[int] = 1

    sections: tuple[tuple[float, ...], ...] = entry(
        "Sections, each with its six coefficients b0, b1, b2, a0, a1, a2 in powers of 1 / z."
    )
    arithmetic: str = entry(_ARITHMETIC, default="int32")

    def __post_init__(self) -> None:
        choice("Biquad.arithmetic", self.arithmetic, ARITHMETICS)
        object.__setattr__(self, "sections", _coefficients(self.sections))
        self.cascade  # noqa: B018 - checks the poles

    @cached_property
    def cascade(self) -> Cascade:
        """The sections, as exact numbers.

        Raises:
            ConfigError: one of them is unstable.
        """
        found = []
        for i, row in enumerate(self.sections):
            b0, b1, b2, a0, a1, a2 = map(Fraction, row)
            section = Section.of(b0 / a0, b1 / a0, b2 / a0, a1 / a0, a2 / a0) if a0 else None
            if section is None:
                raise ConfigError(
                    f"Section {i} of Biquad is unstable: its output never dies away.",
                    'Design it again, for example with scipy.signal.butter(..., output="sos").',
                )
            found.append(section)
        return Cascade.of(found)

    def bind(self, source: Spec) -> BiquadBlock:
        return _block("Biquad", source, self.cascade, self.arithmetic)


def _coefficients(given: object) -> tuple[tuple[float, ...], ...]:
    """Return the rows of a list, tuple or array.

    Raises:
        ConfigError: they are not second-order sections.
    """
    rows = given.tolist() if isinstance(given, np.ndarray) else given
    wanted = f"a list of 1 to {_MOST_SECTIONS} rows of six coefficients"
    remedy = 'Pass what scipy.signal.butter(..., output="sos") returns.'
    if not isinstance(rows, list | tuple) or not 1 <= len(rows) <= _MOST_SECTIONS:
        refuse("Biquad.sections", given, wanted, remedy)
    if not all(isinstance(row, list | tuple) and len(row) == 6 for row in rows):
        refuse("Biquad.sections", given, wanted, remedy)
    return tuple(
        tuple(real("Biquad.sections", value, -1e6, 1e6, remedy) for value in row) for row in rows
    )


def _check(stage: str, hz: float, order: int, arithmetic: str) -> None:
    real(f"{stage}.hz", hz, 1e-6, 1e7)
    whole(f"{stage}.order", order, 1, 8)
    choice(f"{stage}.arithmetic", arithmetic, ARITHMETICS)


def _butterworth(
    stage: str, source: Spec, hz: float, order: int, arithmetic: str, *, high: bool
) -> BiquadBlock:
    expect(stage, source, Form.STREAM)
    cutoff = Fraction(hz) / source.sampling
    lowest, highest = source.sampling / _SLOWEST, source.sampling * _FASTEST
    if not lowest <= Fraction(hz) <= highest:
        remedy = "Choose a frequency in this range"
        if Fraction(hz) < lowest:
            remedy += ", or put Decimate before it"
        raise ConfigError(
            f"{stage}.hz={hz:g} is not from {float(lowest):g} to {float(highest):g} Hz, which "
            f"{float(source.sampling):g} samples per second allow.",
            f"{remedy}.",
        )
    return _block(stage, source, butterworth(cutoff, order, high=high), arithmetic)


def _block(stage: str, source: Spec, cascade: Cascade, arithmetic: str) -> BiquadBlock:
    """Return the block of a stage, with an error bound that is known to be small.

    Raises:
        ConfigError: it cannot work on these items, or not exactly enough.
    """
    expect(stage, source, Form.STREAM)
    if source.dtype is not DType.INT16:
        raise ConfigError(
            f"{stage} takes samples of int16, but receives {source}.",
            f"Put {stage} directly after the source.",
        )
    if source.zero_point and cascade.steady not in (0, 1):
        raise ConfigError(
            f"{stage} would multiply the offset of {source.zero_point} counts that means 0 by "
            f"{float(cascade.steady):.4g}.",
            f"Put HighPass before {stage}; it removes the offset.",
        )
    cascade = balanced(cascade)
    largest = inside(cascade)
    words = None
    if largest is not None and arithmetic == "int32":
        words = integer_words(cascade, largest)
    if largest is None or (words is None and arithmetic == "int32"):
        raise ConfigError(
            f"{stage} cannot be computed in {arithmetic}: it rings for too long, or amplifies "
            "too much.",
            "Choose poles further inside the unit circle, or a smaller gain.",
        )
    error = float_error(cascade, largest) if words is None else words.error
    block = BiquadBlock(source, cascade, arithmetic, words, error)
    if block.error_bound > _MOST_ERROR:
        remedies = ["a lower order", "a frequency further from 0 and from half the sampling rate"]
        if arithmetic == "float32":
            remedies.insert(0, 'arithmetic="int32"')
        raise ConfigError(
            f"{stage} in {arithmetic} could be wrong by {block.error_bound:.1f} counts; at most "
            f"{_MOST_ERROR:g} is allowed.",
            f"Use {', or '.join(remedies)}.",
        )
    return block


def without_offset(source: Spec) -> Spec:
    """Return a stream of int16 after its constant part was removed: 0 means 0.

    What is left may be as large as the distance of the limits, in both directions.
    """
    limits = source.limits
    if limits is not None:
        largest = min(limits[1] - limits[0], source.scale * 2**15)
        limits = (-largest, largest)
    return replace(source, zero_point=0, limits=limits)


@dataclass(frozen=True, eq=False)
class BiquadBlock:
    """A cascade of sections for the streams of one source.

    The output is rounded to the nearest int16 (int32: halves up; float32: halves to even), and
    saturated.

    Attributes:
        cascade: the exact numbers of the filter.
        arithmetic: "int32" or "float32".
        words: the integers; None for float32.
        error_bound: how far the number that is rounded to int16 can be from that of the exact
            filter, in counts, whatever the input is. Coefficients count as exact.
    """

    source: Spec
    cascade: Cascade
    arithmetic: str
    words: Words | None
    error_bound: float

    @property
    def out(self) -> Spec:
        if self.cascade.steady == 1:
            return self.source
        return without_offset(self.source)

    @cached_property
    def warm_up(self) -> int:
        """How many of the first outputs depend on the start.

        After them, the answer to any constant input since the start stays within one count of its
        final value.
        """
        return settling(self.cascade)

    @cached_property
    def rows(self) -> Array:
        """The table of biquad_float32.h: (sections, 6) float32."""
        return float_rows(self.cascade)

    def start(self) -> State:
        """Integrators at 0: (channels, sections, 2)."""
        shape = (self.source.channels, len(self.cascade.sections), 2)
        return (np.zeros(shape, np.int64 if self.arithmetic == "int32" else np.float32),)

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        new = state[0].copy()
        output = np.empty(items.shape, np.int16)
        for channel in range(items.shape[1]):
            run = self._run_int32 if self.words is not None else self._run_float32
            output[:, channel] = run(items[:, channel], new[channel])
        return output, (new,)

    def _run_int32(self, samples: Array, state: Array) -> Array:
        """Filter the samples of a channel; updates its state in place."""
        words = self.words
        if words is None:
            raise AssertionError("only int32 has words")
        factor = words.gain if self.cascade.kind == arithmetic.HIGH else 1 << words.fraction_bits
        numbers = (samples.astype(np.int64) * factor).tolist()
        for row, own in zip(words.rows, state, strict=True):
            numbers, band, low = arithmetic.section_int32(
                numbers, row, self.cascade.kind, int(own[0]), int(own[1])
            )
            own[:] = band, low
        half = 1 << (words.fraction_bits - 1)
        rounded = (np.array(numbers, np.int64) + half) >> words.fraction_bits
        return arithmetic.saturated(rounded)

    def _run_float32(self, samples: Array, state: Array) -> Array:
        numbers = samples.astype(np.float32)
        if self.cascade.kind == arithmetic.HIGH:
            numbers = numbers * self.rows[0, 0]
        for row, own in zip(self.rows, state, strict=True):
            given, band, low = arithmetic.section_float32(
                list(numbers), row, self.cascade.kind, own[0], own[1]
            )
            numbers = np.array(given, np.float32)
            own[:] = band, low
        return arithmetic.nearest_int16(numbers)

    def lower(self) -> SignalCall:
        channels, sections = self.source.channels, len(self.cascade.sections)
        fields: tuple[tuple[str, int], ...] = (
            ("channels", channels),
            ("sections", sections),
            ("kind", self.cascade.kind),
        )
        between = _BLOCK if sections > 1 else 1
        if self.words is None:
            layout = f"[section {sections}][gain, band, low, high mix, band mix, low mix]"
            return SignalCall(
                name="biquad_float32",
                header="biquad_float32.h",
                fields=fields,
                tables=(table("sections", DType.FLOAT32, self.rows, layout),),
                state=(Memory("integrators", "float", channels * sections * 2),),
                scratch=(Memory("between", "float", between),),
            )
        layout = (
            f"[section {sections}][band, low, high mix, band mix, low mix, "
            "band shift, low shift, mix shift]"
        )
        return SignalCall(
            name="biquad_int32",
            header="biquad_int32.h",
            fields=(
                *fields,
                ("gain", self.words.gain),
                ("fraction_bits", self.words.fraction_bits),
            ),
            tables=(table("sections", DType.INT32, np.array(self.words.rows), layout),),
            state=(Memory("integrators", "int64_t", channels * sections * 2),),
            scratch=(Memory("between", "int32_t", between),),
        )
