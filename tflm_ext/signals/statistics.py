"""Statistics: a few numbers that tell how the samples of a frame are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from tflm_ext.arithmetic.features import MEASURES, in_batches, moment_bits, statistics
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import choice, expect, expect_type, refuse
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered, table

_LINEAR = ("mean", "rms", "deviation", "peak", "peak_to_peak")
_SQUARED = ("variance", "energy")


@registered
@dataclass(frozen=True, init=False)
class Statistics:
    """Statistics of every channel of a frame, in the unit of the source, as float32.

    - mean, rms, deviation, peak (largest magnitude), peak_to_peak: in the unit;
    - variance (deviation squared; divided by the number of samples) and energy (sum of the
      squares): in the unit squared;
    - zero_crossings: how often the sign changes; zero counts as positive;
    - skew, kurtosis (3 for normally distributed samples), crest (peak / rms): without unit, and 0
      where they are not defined, which is where all samples are equal, or zero.

    Features are in the order of the channels, and in each, in that of the names.

    Example:
        Statistics("rms", "kurtosis", "crest")
    """

    VERSION: ClassVar[int] = 1

    names: tuple[str, ...] = entry("What is measured, in this order.")

    def __init__(self, *measures: str, names: Sequence[str] = ()) -> None:
        """Choose what to measure; `names` are more measures, given as one list, as in JSON."""
        if isinstance(names, str) or not isinstance(names, Sequence):
            refuse("Statistics.names", names, "a list of names", 'Pass names, as in ("mean",).')
        object.__setattr__(self, "names", (*measures, *names))
        if not self.names:
            raise ConfigError(
                "Statistics measures nothing.", 'Pass names, as in Statistics("rms", "crest").'
            )
        for name in self.names:
            if not isinstance(name, str):
                refuse("Statistics.names", name, "a name", 'Pass names, as in Statistics("rms").')
            choice("Statistics.names", name, MEASURES)
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ConfigError(f"Statistics measures {twice} twice.", "Pass it once.")

    def bind(self, source: Spec) -> StatisticsBlock:
        expect("Statistics", source, Form.FRAME)
        expect_type("Statistics", source, DType.INT16)
        return StatisticsBlock(source, self.names)


@dataclass(frozen=True)
class StatisticsBlock:
    """Measures of all channels."""

    source: Spec
    measures: tuple[str, ...]

    @property
    def out(self) -> Spec:
        return replace(
            self.source,
            form=Form.FEATURES,
            dtype=DType.FLOAT32,
            shape=(len(self.measures) * self.source.channels,),
            unit="",
            scale=1.0,
            zero_point=0,
            limits=None,
            names=tuple(
                f"{channel} {measure}".strip()
                for channel in channel_names(self.source)
                for measure in self.measures
            ),
        )

    @property
    def units(self) -> Array:
        """By what each measure is multiplied, float32."""
        scale = self.source.scale
        found = [
            scale if name in _LINEAR else scale * scale if name in _SQUARED else 1.0
            for name in self.measures
        ]
        return np.array(found, np.float32)

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        return in_batches(self._measured, items), state

    def _measured(self, frames: Array) -> Array:
        found = statistics(frames, self.source.zero_point, self.measures)
        scaled = [found[name] * unit for name, unit in zip(self.measures, self.units, strict=True)]
        return np.stack(scaled, 2).reshape(len(frames), self.out.size)

    def lower(self) -> SignalCall:
        length, channels = self.source.shape
        count = len(self.measures)
        numbers = [MEASURES.index(name) for name in self.measures]
        fields: tuple[tuple[str, Any], ...] = (
            ("length", length),
            ("channels", channels),
            ("zero_point", self.source.zero_point),
            ("measures", count),
            ("crossings", int("zero_crossings" in self.measures)),
            ("moments", int(bool({"skew", "kurtosis"} & set(self.measures)))),
            ("moment_bits", moment_bits(length)),
        )
        layout = f"[measure {count}]: {', '.join(self.measures)}"
        return SignalCall(
            name="statistics",
            header="statistics.h",
            fields=fields,
            tables=(
                table("measures", DType.INT8, numbers, layout),
                table("units", DType.FLOAT32, self.units, layout),
            ),
        )


def channel_names(source: Spec) -> tuple[str, ...]:
    """Return names of channels for the names of features; "" for the only one."""
    if len(source.names) == source.channels:
        return source.names
    return ("",) if source.channels == 1 else tuple(map(str, range(source.channels)))
