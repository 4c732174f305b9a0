"""Spectrum: the power of every bin of a Fourier transform, for each channel of a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from tflm_ext.arithmetic import spectrum as arithmetic
from tflm_ext.arithmetic.features import in_batches
from tflm_ext.arithmetic.signals import INT16_MAX, INT16_MIN, LOG_TABLE, fft_radices
from tflm_ext.arithmetic.spectrum import DECIBELS, LOG_BITS, Segments
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals import fft
from tflm_ext.signals.checks import choice, expect, expect_type, real, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, Memory, SignalCall, State, registered, table
from tflm_ext.signals.statistics import channel_names

FORMS = ("power", "magnitude", "level")  # in the order of their numbers in C
ARITHMETICS = ("int16", "float32")
SHORTEST, LONGEST = 16, 1024
_STEP = DECIBELS / 2**LOG_BITS
_LEAST_POWER = 1e-37  # smaller float32 numbers are denormal


@registered
@dataclass(frozen=True)
class Spectrum:
    """The power of every bin of the Fourier transform of a frame, with a Hann window.

    A frame that is longer than the transform is cut into segments that overlap by half, whose
    powers are averaged (Welch's method); a shorter one is padded with zeros. All bins together have
    the mean square of the frame. Features are in the order of the channels, and in each, in that of
    the frequencies, from 0 to half the rate.
    """

    VERSION: ClassVar[int] = 1

    points: int | None = entry(
        "Points of the transform, a power of two from 16 to 1024; by default, the frame's samples, "
        "rounded up to one.",
        default=None,
    )
    form: str = entry(
        '"level": decibels, of 1 in the unit; "power": float32 in the unit squared; "magnitude": '
        "its root.",
        default="level",
    )
    arithmetic: str = entry(
        '"int16": the transform of LogMel, for cores without an FPU, levels as int16; "float32": '
        "more precise where loud and quiet bins meet, for cores with an FPU, levels as "
        "float32.",
        default="int16",
    )
    range_db: float = entry(
        "How far a level can be below full scale, in decibels; what is quieter has that level.",
        default=100.0,
    )

    def __post_init__(self) -> None:
        check_options("Spectrum", self)

    def bind(self, source: Spec) -> SpectrumBlock:
        points = check_frame("Spectrum", source, self.points)
        hertz = source.sampling / points
        names = tuple(f"{float(k * hertz):.6g} Hz" for k in range(points // 2 + 1))
        edges = tuple(range(points // 2 + 2))
        return SpectrumBlock(source, self, points, edges, names)


def check_options(stage: str, options: Any) -> None:
    """Check what Spectrum and Bands have in common.

    Raises:
        ConfigError: an option cannot be used.
    """
    if options.points is not None:
        points = whole(f"{stage}.points", options.points, SHORTEST, LONGEST)
        if points & (points - 1):
            below = 1 << (points.bit_length() - 1)
            raise ConfigError(
                f"{stage}.points={points} is not a power of two.",
                f"Pass {below} or {2 * below}.",
            )
    choice(f"{stage}.form", options.form, FORMS)
    choice(f"{stage}.arithmetic", options.arithmetic, ARITHMETICS)
    real(f"{stage}.range_db", options.range_db, 1, 300)


def check_frame(stage: str, source: Spec, points: int | None) -> int:
    """Return the points of the transform of a frame.

    Raises:
        ConfigError: the frame does not fit the stage.
    """
    expect(stage, source, Form.FRAME)
    expect_type(stage, source, DType.INT16)
    if source.shape[0] < SHORTEST:
        raise ConfigError(
            f"{stage} takes frames of {SHORTEST} samples or more, but they have {source.shape[0]}.",
            f"Pass Frames({SHORTEST}) or a longer length.",
        )
    if points is not None:
        return points
    found = 1 << (source.shape[0] - 1).bit_length()
    if found > LONGEST:
        raise ConfigError(
            f"{stage} transforms up to {LONGEST} samples at once, but frames have "
            f"{source.shape[0]:,}.",
            f"Pass points={LONGEST}: frames are then cut into segments.",
        )
    return found


@dataclass(frozen=True, eq=False)
class SpectrumBlock:
    """Powers of bands of bins.

    Attributes:
        options: a Spectrum or a Bands.
        points: of the transform.
        edges: number of the first bin of each band, and that after the last.
        bands: names of the bands.
    """

    source: Spec
    options: Any
    points: int
    edges: tuple[int, ...]
    bands: tuple[str, ...]

    @property
    def out(self) -> Spec:
        level = self.options.form == "level"
        integer = level and self._is_integer
        return replace(
            self.source,
            form=Form.FEATURES,
            dtype=DType.INT16 if integer else DType.FLOAT32,
            shape=(self.source.channels * len(self.bands),),
            unit="dB" if level else "",
            scale=_STEP if integer else 1.0,
            zero_point=0,
            limits=(self.top - self.options.range_db, self.top) if level else None,
            names=tuple(
                f"{channel} {band}".strip()
                for channel in channel_names(self.source)
                for band in self.bands
            ),
        )

    @property
    def _is_integer(self) -> bool:
        return bool(self.options.arithmetic == "int16")

    @property
    def top(self) -> float:
        """Level of full scale, in decibels."""
        return 20 * math.log10(self.source.scale * 2.0**15)

    @cached_property
    def segments(self) -> Segments:
        return Segments.of(self.source.shape[0], self.points)

    @property
    def gain(self) -> float:
        """The power that a sum of 1 of the int16 transform stands for, in the unit squared."""
        return arithmetic.integer_gain(self.segments) * self.source.scale**2

    @property
    def offset(self) -> int:
        """log2 of the gain, with 16 fraction bits."""
        return round(math.log2(self.gain) * 2**16)

    @property
    def least(self) -> int:
        """The lowest level as int16."""
        found = round((self.top - self.options.range_db) / _STEP)
        return max(INT16_MIN, min(found, INT16_MAX))

    @property
    def least_power(self) -> np.float32:
        """The power of the lowest level, float32."""
        power = 10 ** ((self.top - self.options.range_db) / 10)
        return np.float32(max(power, _LEAST_POWER))

    @cached_property
    def real_window(self) -> Array:
        return arithmetic.real_window(self.segments, self.source.scale)

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        return in_batches(self._features, items), state

    def _features(self, frames: Array) -> Array:
        if len(frames) == 0:
            return np.zeros((0, self.out.size), self.out.dtype.numpy)
        centered = frames.astype(np.int64) - self.source.zero_point
        compute = self._integer if self._is_integer else self._real
        channels = [compute(centered[:, :, i]) for i in range(self.source.channels)]
        return np.concatenate(channels, axis=1)

    def _integer(self, frames: Array) -> Array:
        limited = np.clip(frames, INT16_MIN, INT16_MAX)
        powers, bits = arithmetic.integer_powers(limited, self.segments)
        sums = arithmetic.band_sums(powers, self.edges)
        if self.options.form == "level":
            return arithmetic.integer_levels(sums, bits, self.offset, self.least)
        found = arithmetic.integer_reals(sums, bits, np.float32(self.gain))
        return np.sqrt(found) if self.options.form == "magnitude" else found

    def _real(self, frames: Array) -> Array:
        found = arithmetic.real_band_powers(frames, self.segments, self.real_window, self.edges)
        if self.options.form == "level":
            return arithmetic.real_levels(found, self.least_power)
        return np.sqrt(found) if self.options.form == "magnitude" else found

    def lower(self) -> SignalCall:
        return self._integer_call() if self._is_integer else self._real_call()

    @property
    def _edges(self) -> Any:
        return table("edges", DType.INT16, self.edges, f"[band {len(self.bands)} + 1], bins")

    def _integer_call(self) -> SignalCall:
        segments = self.segments
        length, half = segments.length, segments.half
        spectrum = (
            *(self.source.shape[0], self.source.channels, self.source.zero_point),
            *(length, half, fft.fields(half), segments.count, segments.step, len(self.bands)),
        )
        window = arithmetic.integer_window(length)
        level = self.options.form == "level"
        gain = np.array([self.gain]).astype(np.float32)
        last = (
            table("logarithm", DType.INT16, LOG_TABLE, "[segment 128 + 1]")
            if level
            else table("gain", DType.FLOAT32, gain, "[1], of a sum")
        )
        fields: tuple[tuple[str, Any], ...] = (("spectrum", spectrum),)
        if level:
            fields += (("offset", self.offset), ("least", self.least))
        else:
            fields += (("root", int(self.options.form == "magnitude")),)
        return SignalCall(
            name="spectrum_levels" if level else "spectrum_powers",
            header="spectrum_int16.h",
            fields=fields,
            tables=(
                table("window", DType.INT16, window, f"[sample {length}], times 2^15 - 1"),
                *fft.tables(half),
                self._edges,
                last,
            ),
            scratch=(
                Memory("z", "uint32_t", half + 1),
                Memory("sums", "uint64_t", len(self.bands)),
            ),
        )

    def _real_call(self) -> SignalCall:
        segments, source = self.segments, self.source
        length, half = segments.length, segments.half
        every_bin = segments.count == 1 and self.edges == tuple(range(half + 2))
        radix_2 = int(fft_radices(half)[-1] == 2)
        levels = np.array([self.least_power, DECIBELS]).astype(np.float32)
        places, turns = arithmetic.first_places(half), arithmetic.real_turns(half)
        split = arithmetic.real_split(half)
        return SignalCall(
            name="spectrum_float32",
            header="spectrum_float32.h",
            fields=(
                ("fft", (half, length, source.channels, source.zero_point, radix_2)),
                ("segments", segments.count),
                ("step", segments.step),
                ("bands", 0 if every_bin else len(self.bands)),
                ("form", FORMS.index(self.options.form)),
            ),
            tables=(
                table("window", DType.FLOAT32, self.real_window, f"[sample {length}]"),
                table("order", DType.INT16, places, f"[butterfly {len(places)}]"),
                table("turns", DType.FLOAT32, turns, f"[place {len(turns)}][factor 6]"),
                table("split", DType.FLOAT32, split, f"[bin {half // 2 - 1}][cosine, sine]"),
                self._edges,
                table("levels", DType.FLOAT32, levels, "[least power, decibels of twice]"),
            ),
            scratch=(Memory("z", "float", 2 * half + 1),),
        )
