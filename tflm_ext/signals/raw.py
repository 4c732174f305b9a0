"""Raw: the samples of a frame as they are, for models that work on samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic.features import INT8_MAX, INT8_MIN, shifted
from tflm_ext.document import entry
from tflm_ext.ir import DType
from tflm_ext.signals.checks import expect, expect_type, refuse, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered


@registered
@dataclass(frozen=True)
class Raw:
    """The samples of a frame as int8, for models that work on samples."""

    VERSION: ClassVar[int] = 1

    dropped_bits: int = entry(
        "Low bits that are dropped, with halves rounded up. 8 keeps all int16 values apart; with "
        "fewer, quiet signals have more steps, and loud ones are clamped.",
        default=8,
    )
    flat: bool = entry(
        "Whether the shape is (samples * channels,), as Stack and dense layers take it, instead of "
        "(samples, channels). The order in memory is the same.",
        default=False,
    )

    def __post_init__(self) -> None:
        whole("Raw.dropped_bits", self.dropped_bits, 0, 8)
        if not isinstance(self.flat, bool):
            refuse("Raw.flat", self.flat, "True or False", "Pass True or False.")

    def bind(self, source: Spec) -> RawBlock:
        expect("Raw", source, Form.FRAME)
        expect_type("Raw", source, DType.INT16)
        return RawBlock(source, self.dropped_bits, self.flat)


@dataclass(frozen=True)
class RawBlock:
    """Samples minus their zero point, shifted right and clamped."""

    source: Spec
    shift: int
    flat: bool

    @property
    def out(self) -> Spec:
        step = self.source.scale * 2**self.shift
        return replace(
            self.source,
            form=Form.FEATURES,
            dtype=DType.INT8,
            shape=(self.source.size,) if self.flat else self.source.shape,
            scale=step,
            zero_point=0,
            limits=(INT8_MIN * step, INT8_MAX * step),
            names=(),
        )

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        found = shifted(items.astype(np.int64) - self.source.zero_point, self.shift)
        limited = np.clip(found, INT8_MIN, INT8_MAX).astype(np.int8)
        return limited.reshape(len(items), *self.out.shape), state

    def lower(self) -> SignalCall:
        return SignalCall(
            name="raw",
            header="raw.h",
            fields=(
                ("count", self.source.size),
                ("zero_point", self.source.zero_point),
                ("shift", self.shift),
            ),
        )
