"""Bands: the power of a frame in bands of frequencies, for each channel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.signals.checks import real, refuse, whole
from tflm_ext.signals.spec import Spec
from tflm_ext.signals.spectrum import LONGEST, SpectrumBlock, check_frame, check_options
from tflm_ext.signals.stage import registered


@registered
@dataclass(frozen=True)
class Bands:
    """The power of a frame in bands of frequencies, which are equally wide or have given edges.

    As Spectrum, with the powers of the bins of each band added up. A bin belongs to the band in
    which its frequency lies. Features are in the order of the channels, and in each, in that of the
    bands.

    Example:
        Bands(64, 8)
        Bands(256, edges_hz=(10, 50, 200, 1000))
    """

    VERSION: ClassVar[int] = 1

    points: int | None = entry(
        "Points of the transform, a power of two from 16 to 1024; by default, the frame's samples, "
        "rounded up to one.",
        default=None,
    )
    bands: int = entry("Bands of equal width, if there are no edges_hz.", default=8)
    low_hz: float | None = entry(
        "Where the first one begins; by default with the first bin above 0 Hz.", default=None
    )
    high_hz: float | None = entry(
        "Where the last one ends; by default with the last bin.", default=None
    )
    edges_hz: tuple[float, ...] = entry(
        "Where each band begins, and where the last one ends, instead of bands of equal width.",
        default=(),
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
        check_options("Bands", self)
        whole("Bands.bands", self.bands, 1, LONGEST // 2)
        for name in ("low_hz", "high_hz"):
            if getattr(self, name) is not None:
                real(f"Bands.{name}", getattr(self, name), 0, 1e7)
        given: Any = self.edges_hz
        if isinstance(given, str) or not isinstance(given, Sequence):
            refuse("Bands.edges_hz", given, "a sequence of frequencies", "Pass frequencies in Hz.")
        edges = tuple(real(f"Bands.edges_hz[{i}]", own, 0, 1e7) for i, own in enumerate(given))
        object.__setattr__(self, "edges_hz", edges)
        if edges and (len(edges) < 2 or any(b <= a for a, b in itertools.pairwise(edges))):
            raise ConfigError(
                f"Bands.edges_hz={list(edges)!r:.60} do not rise.",
                "Pass two or more frequencies, the lowest first.",
            )
        if edges and (self.low_hz is not None or self.high_hz is not None):
            raise ConfigError(
                "Bands has edges_hz, and low_hz or high_hz.", "Pass either of them, not both."
            )

    def bind(self, source: Spec) -> SpectrumBlock:
        points = check_frame("Bands", source, self.points)
        hertz = source.sampling / points
        places = self._places(hertz, points)
        edges = tuple(math.ceil(place) for place in places)
        frequencies = [float(place * hertz) for place in places]
        for i, (begin, end) in enumerate(itertools.pairwise(edges)):
            if begin >= end:
                raise ConfigError(
                    f"Band {i} of Bands, from {frequencies[i]:.6g} to {frequencies[i + 1]:.6g} Hz, "
                    f"has no bin; bins are {float(hertz):.6g} Hz apart.",
                    "Pass fewer or wider bands, or more points.",
                )
        names = tuple(f"{a:.6g} to {b:.6g} Hz" for a, b in itertools.pairwise(frequencies))
        return SpectrumBlock(source, self, points, edges, names)

    def _places(self, hertz: Fraction, points: int) -> list[Fraction]:
        """Return the edges of the bands, in bins.

        Raises:
            ConfigError: they are above half the rate, or do not rise.
        """
        half = points // 2
        if self.edges_hz:
            places = [Fraction(own) / hertz for own in self.edges_hz]
        else:
            low = Fraction(1) if self.low_hz is None else Fraction(self.low_hz) / hertz
            high = Fraction(half + 1) if self.high_hz is None else Fraction(self.high_hz) / hertz
            places = [low + (high - low) * i / self.bands for i in range(self.bands + 1)]
        if math.ceil(places[-1]) > half + 1:
            raise ConfigError(
                f"Bands reach up to {float(places[-1] * hertz):g} Hz, but with "
                f"{float(points * hertz):g} samples per second, there is nothing above "
                f"{float(half * hertz):g} Hz.",
                "Pass lower frequencies, or record at a higher rate.",
            )
        if places[0] >= places[-1]:
            raise ConfigError(
                f"Bands begin at {float(places[0] * hertz):g} Hz, and end at "
                f"{float(places[-1] * hertz):g} Hz.",
                "Pass a lower low_hz.",
            )
        return places
