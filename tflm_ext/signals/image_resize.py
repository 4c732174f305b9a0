"""Resize: images of another size, with bilinear or nearest pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from tflm_ext.arithmetic import images as arithmetic
from tflm_ext.document import entry
from tflm_ext.ir import DType
from tflm_ext.signals.checks import choice, whole
from tflm_ext.signals.image import LARGEST, expect_pixels
from tflm_ext.signals.spec import Spec
from tflm_ext.signals.stage import Array, SignalCall, State, registered, table

_METHODS = ("bilinear", "nearest")


@registered
@dataclass(frozen=True)
class Resize:
    """Every image in another size.

    Pixels have their centres at halves, as with tf.image.resize(): pixel i of n is at
    (i + 0.5) / n. Bilinear pixels are the mean of four, with weights of 11 fraction bits that are
    rounded to nearest, halves up, like the mean; outside, the image continues with its outermost
    pixels. Nothing is smoothed first, so an image that becomes much smaller should be cropped or
    have a source of a smaller size.
    """

    VERSION: ClassVar[int] = 1

    height: int = entry("Rows of the new image.")
    width: int = entry("Pixels of a row of the new image.")
    method: str = entry('"bilinear" or "nearest".', default="bilinear")

    def __post_init__(self) -> None:
        whole("Resize.height", self.height, 1, LARGEST)
        whole("Resize.width", self.width, 1, LARGEST)
        choice("Resize.method", self.method, _METHODS)

    def bind(self, source: Spec) -> ResizeBlock:
        expect_pixels("Resize", source)
        return ResizeBlock(source, self.height, self.width, self.method)


@dataclass(frozen=True, eq=False)
class ResizeBlock:
    """Images of one size, in another."""

    source: Spec
    height: int
    width: int
    method: str

    @property
    def out(self) -> Spec:
        return replace(self.source, shape=(self.height, self.width, self.source.channels))

    def start(self) -> State:
        """Nothing."""
        return ()

    @cached_property
    def rows(self) -> tuple[Array, Array]:
        """For every new row, the row to read, and the weight of the next one."""
        return self._positions(self.source.shape[0], self.height)

    @cached_property
    def columns(self) -> tuple[Array, Array]:
        """For every new column, the same."""
        return self._positions(self.source.shape[1], self.width)

    def _positions(self, size: int, new: int) -> tuple[Array, Array]:
        if self.method == "nearest":
            found = arithmetic.nearest_positions(size, new)
            return found, np.zeros_like(found)
        return arithmetic.bilinear_positions(size, new)

    def run(self, items: Array, state: State) -> tuple[Array, State]:
        rows, columns = self.rows, self.columns
        if self.method == "nearest":
            found = items[:, rows[0]][:, :, columns[0]]
        else:
            found = arithmetic.resize_bilinear(items, rows, columns)
        return np.ascontiguousarray(found, np.uint8), state

    def lower(self) -> SignalCall:
        height, width, channels = self.source.shape
        bilinear = self.method == "bilinear"
        stride = width * channels
        size: tuple[tuple[str, int], ...] = (
            ("rows", self.height),
            ("columns", self.width),
            ("channels", channels),
            ("stride", stride),
        )
        below = stride if height > 1 else 0
        right = channels if width > 1 else 0
        offsets = (self.columns[0] * channels, self.columns[1])
        axes = [np.stack(axis, 1) for axis in (self.rows, offsets)]
        if not bilinear:
            axes = [axis[:, 0] for axis in axes]
        pair = "[first, weight of the next]" if bilinear else ""
        return SignalCall(
            name=f"image_{self.method}",
            header="image_resize.h",
            fields=(*size, *((("below", below), ("right", right)) if bilinear else ())),
            tables=(
                table("row_positions", DType.INT16, axes[0], f"[row {self.height}]{pair}"),
                table(
                    "column_positions",
                    DType.INT16,
                    axes[1],
                    f"[column {self.width}]{pair}, times {channels}"
                    if channels > 1
                    else f"[column {self.width}]{pair}",
                ),
            ),
        )
