"""MFCC: the shape of a spectrum in few numbers, from its logarithm in bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from tflm_ext.arithmetic.features import dct, dct_table
from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.ir import DType
from tflm_ext.signals.checks import expect, expect_type, whole
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered, table

_MOST = 1024


@registered
@dataclass(frozen=True)
class MFCC:
    """Mel-frequency cepstral coefficients: the orthonormal cosine transform (DCT-II) of LogMel.

    Put it after LogMel, and Zscore after it: the first coefficient, which is the mean of the bands,
    is much larger than the others.
    """

    VERSION: ClassVar[int] = 1

    coefficients: int = entry("Coefficients that are computed.", default=13)
    first: int = entry(
        "Number of the first one; 0 is the mean of the bands, which tells how loud a frame is.",
        default=0,
    )

    def __post_init__(self) -> None:
        whole("MFCC.coefficients", self.coefficients, 1, _MOST)
        whole("MFCC.first", self.first, 0, _MOST - 1)

    def bind(self, source: Spec) -> MFCCBlock:
        expect("MFCC", source, Form.FEATURES)
        expect_type("MFCC", source, DType.INT16)
        bands = source.size
        if len(source.shape) != 1:
            raise ConfigError(f"MFCC receives {source}.", "Put MFCC directly after LogMel.")
        if bands > _MOST:
            raise ConfigError(
                f"MFCC takes at most {_MOST:,} values, but receives {bands:,}.",
                "Use fewer bands.",
            )
        if self.first + self.coefficients > bands:
            raise ConfigError(
                f"MFCC computes coefficients up to number {self.first + self.coefficients - 1}, "
                f"but {bands} bands have only {bands}, from 0 on.",
                "Pass fewer coefficients, or use more bands.",
            )
        return MFCCBlock(source, self.first, self.coefficients)


@dataclass(frozen=True)
class MFCCBlock:
    """Rows of the transform, as int16; sums of products are int32."""

    source: Spec
    first: int
    coefficients: int

    @property
    def out(self) -> Spec:
        numbers = range(self.first, self.first + self.coefficients)
        return replace(
            self.source,
            shape=(self.coefficients,),
            unit="",
            zero_point=0,
            limits=None,
            names=tuple(f"mfcc {number}" for number in numbers),
        )

    @cached_property
    def rows(self) -> tuple[Array, int]:
        """The table of the transform, (coefficients, bands), and its fraction bits."""
        return dct_table(self.source.size, self.first, self.coefficients)

    def start(self) -> State:
        """Nothing."""
        return ()

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        return dct(items, *self.rows), state

    def lower(self) -> SignalCall:
        rows, bits = self.rows
        bands = self.source.size
        layout = f"[coefficient {self.coefficients}][band {bands}], times 2^{bits}"
        return SignalCall(
            name="mfcc",
            header="mfcc.h",
            fields=(("bands", bands), ("coefficients", self.coefficients), ("shift", bits)),
            tables=(table("rows", DType.INT16, rows, layout),),
        )
