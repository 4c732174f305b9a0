"""Weights, packed for the tiles of templates/kernels/matrix_tile.h, and whether they fit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tflm_ext.arithmetic import activation_range, multiply_by_quantized_multiplier
from tflm_ext.ir import DType, Limits, NodeView, Tensor
from tflm_ext.kernels.base import Const, output_limits
from tflm_ext.opslib.base import Array
from tflm_ext.opslib.common import bias_values, conv_multipliers, scale, zero_point

QUAD = 4
"""Values of a column that SXTB16 converts to two words."""

RAW_REQUANT = "(bias, multiplier, shift)"
"""What layouts call `raw_requant_words`."""

TERMS = {
    "pair words": "two weights k of both filters a and b, 256 * b[k] + a[k] in each half; of every "
    "four k, the first word has 0 (low half) and 2 (high half), the second has 1 and 3",
    "half words": "two weights of a filter as int16; of every four, the first word has 0 and 2, "
    "the second has 1 and 3",
    "byte words": "four weights as int8, the first in the lowest byte",
    "requant words": "256 * bias + 32 - right shift, then 2 * multiplier - 2^32; after pair words, "
    "those of filter b come first",
    "scale words": "2 * bias, multiplier, -2^(32 - right shift)",
    "bias": "the model's, less the input's zero point times the sum of the filter's weights",
}
"""What layouts of packed tables are made of, explained where they are printed."""

_PARTNER_LIMIT = 1 << 23
_BIAS_LIMIT = 1 << 23
_SUM_LIMIT = 1 << 30


@dataclass(frozen=True)
class Filters:
    """The filters of a layer.

    Attributes:
        values: (filters, values) of int8.
        bias: (filters,), the input's zero point folded into it.
        multipliers, shifts: (filters,) of the requantisation; negative shifts are right shifts.
        zero_point: of the output.
        limits: as in KernelCall.
    """

    values: Array
    bias: Array
    multipliers: Array
    shifts: Array
    zero_point: int
    limits: Limits | None

    @functools.cached_property
    def _sums(self) -> Array:
        """The largest absolute value of each filter's sum."""
        sums: Array = 128 * np.abs(self.values.astype(np.int64)).sum(1)
        return sums

    @functools.cached_property
    def has_scales(self) -> bool:
        """Whether `scales` are exact: all shifts are right shifts, and 32 bits suffice."""
        return bool(
            self.shifts.min() >= -31
            and self.shifts.max() <= -1
            and (self._sums + np.abs(self.bias)).max() < _SUM_LIMIT
        )

    @functools.cached_property
    def has_requant_words(self) -> bool:
        """Whether `requant_words` are exact: `scales` are, and biases take no more than 24 bits."""
        return self.has_scales and bool(np.abs(self.bias).max() < _BIAS_LIMIT)

    @functools.cached_property
    def has_pairs(self) -> bool:
        """Whether two filters fit a pair word: neither their weights nor their sums overflow."""
        return bool(
            self.has_requant_words
            and self.values.min() >= -127
            and self._sums.max() < _PARTNER_LIMIT
        )

    @property
    def raw_requant_words(self) -> Array:
        """(filters, 3): bias, multiplier and shift, as tflm_ext_requantize() takes them."""
        return np.stack([self.bias, self.multipliers, self.shifts], axis=1)

    @property
    def scales(self) -> Array:
        """(filters, 3): twice the bias, multiplier and step of tflm_ext_scale_to_int8()."""
        return np.stack([2 * self.bias, self.multipliers, -(1 << (32 + self.shifts))], axis=1)

    @property
    def requant_words(self) -> Array:
        """(filters, 2): bias and shift in a word, then the multiplier: tflm_ext_sum_to_int8()."""
        first = (self.bias << 8) | (32 + self.shifts)
        return np.stack([first, 2 * self.multipliers - (1 << 32)], axis=1)


def folded_bias(values: Array, image: Tensor, bias: Tensor | None) -> Array:
    """Bias less the contribution of the input's zero point to every sum, padding included.

    Args:
        values: (filters, values) of int8.
        image: the input.
        bias: (filters,) of int32; None is 0.
    """
    plain = bias_values(bias, len(values)).astype(np.int64)
    folded: Array = plain - zero_point(image) * values.astype(np.int64).sum(1)
    return folded


def layer_filters(
    view: NodeView, values: Array, image: Tensor, weights: Tensor, bias: Tensor | None
) -> Filters:
    """The filters of a node with weights.

    Args:
        view: of the node, whose options have an activation.
        values: (filters, values) of int8, from the weights.
        image: the input that they are multiplied with.
        weights: with the scales of the filters, even if all are equal.
        bias: as for folded_bias().
    """
    out = view.output()
    return make_filters(
        values,
        folded_bias(values, image, bias),
        *conv_multipliers(image, weights, out, len(values)),
        activation_range(view.options.activation, scale(out), zero_point(out)),
        zero_point(out),
    )


def make_filters(
    values: Array,
    bias: Array,
    multipliers: Sequence[int],
    shifts: Sequence[int],
    limits: tuple[int, int],
    output_zero_point: int,
) -> Filters:
    """Filters for the tiles.

    A filter whose output is the same for all inputs, like that of a dead channel, gets a bias,
    multiplier and shift that lead to this constant.

    Args:
        values: (filters, values) of int8.
        bias: (filters,), the input's zero point folded into it.
        multipliers, shifts: one for each filter; negative shifts are right shifts.
        limits: smallest and largest value of the output.
        output_zero_point: added to what is scaled.
    """
    wide = values.astype(np.int64)
    factors = (np.array(multipliers, np.int64), np.array(shifts, np.int64))
    # The smallest and the largest sum, and their outputs.
    ends = (
        bias + np.minimum(127 * wide, -128 * wide).sum(1),
        bias + np.maximum(127 * wide, -128 * wide).sum(1),
    )
    lowest, highest = (
        np.clip(multiply_by_quantized_multiplier(end, *factors) + output_zero_point, *limits)
        for end in ends
    )
    # Between the two, a left shift may overflow.
    constant = (lowest == highest) & ((factors[1] <= 0) | (ends[0] == ends[1]))
    return Filters(
        values=np.where(constant[:, np.newaxis], 0, values),
        # The multiplier is 1/2 and the shift 1: four times the constant passes both roundings.
        bias=np.where(constant, 4 * (lowest - output_zero_point), bias),
        multipliers=np.where(constant, 1 << 30, factors[0]),
        shifts=np.where(constant, -1, factors[1]),
        zero_point=output_zero_point,
        limits=output_limits(DType.INT8, *limits),
    )


def stream(filters: Filters) -> Const:
    """The weights of a layer for tiles of two filters; a filter left over comes last, alone."""
    own = filters.requant_words
    return word_stream(
        filters,
        2,
        QUAD,
        lambda start, stop: own[start:stop][::-1],
        ("2 x 2 requant words", "2 requant words"),
    )


def word_stream(
    filters: Filters,
    rows: int,
    multiple: int,
    requant: Callable[[int, int], Array],
    described: tuple[str, str],
) -> Const:
    """The weights of a layer.

    Args:
        filters: of the layer.
        rows: filters of a tile, an even number; those left over follow one by one.
        multiple: the values of a column are filled up with zeros to a multiple of it.
        requant: what follows the weights of the filters from one to another.
        described: what that is, for a tile and for a filter alone.
    """
    count, size = filters.values.shape
    padded = np.zeros((count, -(-size // multiple) * multiple), np.int64)
    padded[:, :size] = filters.values
    # Of every four values 0, 2, 1, 3, as SXTB16 takes them out of a word.
    ordered = padded.reshape(count, -1, 2, 2).transpose(0, 1, 3, 2).reshape(count, -1)
    parts = []
    whole = count // rows * rows
    for start in range(0, whole, rows):
        pairs = ordered[start : start + rows].reshape(rows // 2, 2, -1)
        parts.append(_words(256 * pairs[:, 1] + pairs[:, 0]).T.ravel())
        parts.append(requant(start, start + rows).ravel())
    for row in range(whole, count):
        parts += [_words(ordered[row : row + 1]).ravel(), requant(row, row + 1).ravel()]
    words = padded.shape[1] // 2
    of_pairs = f"{words} pair words" if rows == 2 else f"{words} x {rows // 2} pair words"
    tile = "filter pair" if rows == 2 else f"tile of {rows} filters,"
    layout = _tiles(
        (tile, whole // rows, f"{of_pairs}, {described[0]}"),
        ("filter", count - whole, f"{words} half words, {described[1]}"),
    )
    return Const.of("weights", DType.INT32, np.concatenate(parts), layout)


def plain_stream(filters: Filters, rows: int, multiple: int, *, filled: bool) -> Const:
    """The weights of a layer as bytes: word by word those of some filters, then what scales them.

    Args:
        filters: of the layer.
        rows: filters of a tile.
        multiple: the values of a column are filled up with zeros to a multiple of it.
        filled: whether weights of zero make up a tile of the filters left over; else these follow
            one by one.
    """
    count, size = filters.values.shape
    padded = np.zeros((count, -(-size // multiple) * multiple), np.int8)
    padded[:, :size] = filters.values
    words = padded.view("<i4").astype(np.int64)
    quads = words.shape[1]
    whole = -(-count // rows) * rows if filled else count // rows * rows
    words = np.concatenate([words, np.zeros((max(whole - count, 0), quads), np.int64)])
    tiles = [slice(start, start + rows) for start in range(0, whole, rows)]
    alone = [slice(row, row + 1) for row in range(whole, count)]
    requant = filters.raw_requant_words
    parts = []
    for own in (*tiles, *alone):
        parts += [words[own].T.ravel(), requant[own].ravel()]
    full, of_tile = count // rows, f"{quads} x {rows} byte words"
    layout = _tiles(
        (f"tile of {rows} filters,", full, f"{of_tile}, {rows} x {RAW_REQUANT}"),
        ("filter and zeros,", len(tiles) - full, f"{of_tile}, {RAW_REQUANT}"),
        ("filter", len(alone), f"{quads} byte words, {RAW_REQUANT}"),
    )
    return Const.of("weights", DType.INT32, np.concatenate(parts), layout)


def _tiles(*kinds: tuple[str, int, str]) -> str:
    """The layout of a stream of tiles: their kind and number, and the words of each."""
    return ", then ".join(f"[{kind} {count}][{words}]" for kind, count, words in kinds if count)


def _words(halves: Array) -> Array:
    """(rows, words): two 16-bit halves in each int32."""
    low, high = halves[:, ::2], halves[:, 1::2]
    words: Array = (high << 16) | (low & 0xFFFF)
    return words


class FiltersWork(NamedTuple):
    """Work of the filters in matrix_tile.h.

    Attributes:
        pairs, single: filters in pairs, and those left over.
        pair_quads, single_quads: quads of both.
        pair_rounds: of four quads each, after the first quad of a pair.
    """

    pairs: int
    pair_quads: int
    pair_rounds: int
    single: int
    single_quads: int


def filters_work(tiles: int, filters: int, quads: int) -> FiltersWork:
    """The work of filters on tiles.

    Args:
        tiles: of three columns each.
        filters: of the layer.
        quads: of a column.
    """
    pairs, single = divmod(filters, 2)
    rounds = (quads + 2) // 4
    return FiltersWork(
        tiles * pairs,
        tiles * pairs * quads,
        tiles * pairs * rounds,
        tiles * single,
        tiles * single * quads,
    )
