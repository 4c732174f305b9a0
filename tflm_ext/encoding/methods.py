"""Encoders of int8 weights, in the formats that TensorFlow Lite Micro's DECODE operator reads.

An encoded tensor consists of two: the code and the ancillary data. The latter begin with 16
bytes, the "DECODE common metadata": method, 1, two zeros, 1, and what the method needs; then comes
a table.
Format: "TFLM DECODE Operator Design" (2025), and the kernels decode_state_*.cc.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.ir import DType, Tensor

Array: TypeAlias = np.ndarray[Any, Any]
_MOST_BITS_OF_AN_INDEX = 7
_LONGEST_CODE = 15  # a table entry has 4 bits for the number of bits that it stands for
_MOST_DISTANT = (1 << 11) - 1  # and 11 bits for the offset of the next table


class NotEncodableError(Exception):
    """The format cannot represent this tensor; the text says why."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded tensor.

    Attributes:
        code: one entry for each weight.
        ancillary: how to read it.
    """

    code: bytes
    ancillary: bytes

    @property
    def bytes(self) -> int:
        return len(self.code) + len(self.ancillary)


def lut(tensor: Tensor) -> Encoded:
    """Indexes into a table of the values that occur, one table for each quantisation group.

    The groups are those of the tensor's scales: the decoder uses nothing else.

    Raises:
        NotEncodableError: a group has more than 128 values.
    """
    groups = _by_channel(tensor)
    found = [np.unique(group, return_inverse=True) for group in groups]
    longest = max(len(values) for values, _ in found)
    bits = max(1, (longest - 1).bit_length())
    if bits > _MOST_BITS_OF_AN_INDEX:
        raise NotEncodableError(f"{longest} different values, but a table can have at most 128")
    tables = np.zeros((len(groups), longest), np.int8)
    for table, (values, _) in zip(tables, found, strict=True):
        table[: len(values)] = values
    indexes = np.stack([inverse.ravel() for _, inverse in found])
    in_order = _from_channels(tensor, indexes).astype(np.uint8)
    planes = (in_order[:, np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    code = np.packbits(planes.astype(np.uint8)).tobytes()
    return Encoded(code, _metadata(0, bits, longest) + tables.tobytes())


def pruning(tensor: Tensor) -> Encoded:
    """One bit for each weight, and the weights that are not zero.

    Raises:
        NotEncodableError: the scales run along an axis that the decoder does not know.
    """
    zeros = _by_channel(tensor)  # refuses the axes that the decoder refuses
    assert tensor.quantization is not None
    points = np.array(tensor.quantization.zero_points)
    columns = np.broadcast_to(points[:, np.newaxis], zeros.shape)
    values = tensor.array().ravel()
    kept = values != _from_channels(tensor, columns)
    code = np.packbits(kept).tobytes()
    return Encoded(code, _metadata(2) + values[kept].tobytes())


def huffman(tensor: Tensor) -> Encoded:
    """A prefix code with short words for frequent values (Huffman, 1952).

    The table has two levels: the first bits of a word select its value, or a table for the rest.
    The number of first bits is the one that makes the table smallest.
    """
    values = tensor.array().ravel()
    counts = dict(zip(*(a.tolist() for a in np.unique(values, return_counts=True)), strict=True))
    words = _canonical(_lengths(counts))
    first, table = min(_tables(words), key=lambda found: (len(found[1]), -found[0]))
    bits = {value: f"{code:0{length}b}" for value, (code, length) in words.items()}
    stream = "".join([bits[value] for value in values.tolist()])
    # The decoder takes 32 bits at once, and reads ahead by one table look-up.
    stream += "0" * (32 + -len(stream) % 32)
    code = int(stream, 2).to_bytes(len(stream) // 8, "big")
    return Encoded(code, _metadata(1, (first - 1) << 4) + table.astype("<u2").tobytes())


METHODS: Mapping[str, Callable[[Tensor], Encoded]] = {
    "huffman": huffman,
    "lut": lut,
    "pruning": pruning,
}


def refusal(tensor: Tensor) -> str:
    """Why no method can represent a tensor, or ""."""
    if tensor.dtype is not DType.INT8:
        return f"{tensor.dtype.value}, not int8"
    if tensor.quantization is None:
        return "it has no scale"
    if tensor.quantization.per_channel and tensor.quantization.axis not in (
        0,
        len(tensor.shape) - 1,
    ):
        return f"its scales run along axis {tensor.quantization.axis}"
    return ""


def _metadata(method: int, *more: int) -> bytes:
    return bytes([method, 1, 0, 0, 1, *more]).ljust(16, b"\0")


def _by_channel(tensor: Tensor) -> Array:
    """(groups, members): the values of each quantisation group."""
    assert tensor.quantization is not None  # refusal() was called before
    if not tensor.quantization.per_channel:
        return tensor.array().reshape(1, -1)
    moved = np.moveaxis(tensor.array(), tensor.quantization.axis, 0)
    return moved.reshape(len(moved), -1)


def _from_channels(tensor: Tensor, groups: Array) -> Array:
    """The result of _by_channel(), or any array of its shape, in the order of the tensor; flat."""
    assert tensor.quantization is not None
    axis = tensor.quantization.axis
    shape = list(tensor.shape)
    channels = shape.pop(axis) if tensor.quantization.per_channel else 1
    if channels == 1:
        return groups.ravel()
    return np.moveaxis(groups.reshape(channels, *shape), 0, axis).ravel()


def _lengths(counts: Mapping[int, int]) -> dict[int, int]:
    """The length in bits of every value's word, none longer than a table can represent."""
    if len(counts) == 1:
        return dict.fromkeys(counts, 1)
    weights = dict(counts)
    while True:
        lengths = dict.fromkeys(weights, 0)
        heap = [(weight, value, [value]) for value, weight in weights.items()]
        heapq.heapify(heap)
        while len(heap) > 1:
            light, _, left = heapq.heappop(heap)
            heavy, value, right = heapq.heappop(heap)
            for below in (*left, *right):
                lengths[below] += 1
            heapq.heappush(heap, (light + heavy, value, left + right))
        if max(lengths.values()) <= _LONGEST_CODE:
            return lengths
        # Rare values get more weight until the longest word is short enough, as in bzip2.
        weights = {value: (weight + 1) // 2 + 1 for value, weight in weights.items()}


def _canonical(lengths: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """The word of every value and its length: words of the same length count upwards."""
    ordered = sorted(lengths, key=lambda value: (lengths[value], value))
    words, code = {ordered[0]: (0, lengths[ordered[0]])}, 0
    for before, value in pairwise(ordered):
        code = (code + 1) << (lengths[value] - lengths[before])
        words[value] = (code, lengths[value])
    return words


def _tables(words: Mapping[int, tuple[int, int]]) -> Iterator[tuple[int, Array]]:
    """The decoder's table for every possible number of first bits."""
    for first in range(1, max(length for _, length in words.values()) + 1):
        table = _table(words, first)
        if table is not None:
            yield first, table


def _table(words: Mapping[int, tuple[int, int]], first: int) -> Array | None:
    """Entries of 16 bits: found, number of bits, value; or bits of the next table, its offset."""
    rest: dict[int, int] = {}  # maximum number of bits after the first ones
    for code, length in words.values():
        if length > first:
            begin = code >> (length - first)
            rest[begin] = max(rest.get(begin, 0), length - first)
    places, size = {}, 1 << first
    for begin, bits in rest.items():
        places[begin] = size
        size += 1 << bits
    table = np.zeros(size, np.uint16)
    for begin, place in places.items():
        if place - begin > _MOST_DISTANT:
            return None
        table[begin] = (rest[begin] - 1) << 11 | (place - begin)
    for value, (code, length) in words.items():
        start, bits, used = 0, first, length
        if length > first:
            begin, used = code >> (length - first), length - first
            start, bits = places[begin], rest[begin]
        entry = start + ((code & ((1 << used) - 1)) << (bits - used))
        table[entry : entry + (1 << (bits - used))] = 0x8000 | used << 11 | (value & 0xFF)
    return table
