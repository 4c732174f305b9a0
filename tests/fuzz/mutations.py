"""Ways to damage a .tflite: some blind, some aimed at what a reader looks at."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tflm_ext import flatbuffer
from tflm_ext.errors import TflmExtError
from tflm_ext.frontend import parse

_INTERESTING = (0, 1, 2, 3, 4, 5, 8, 16, 127, 128, 255, 256, 1000, 32767, 65535, 65536, 2**24)
_LIMITS = {"b": 8, "B": 8, "H": 16, "i": 32, "I": 32, "Q": 64}
_FLOATS = (0.0, -0.0, 1e-45, 1e-38, 1e-20, 1.0, -1.0, 3e38, float("inf"), float("nan"))


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change; places are fractions, so that it fits every file.

    Attributes:
        kind: one of KINDS.
        at, other: places in the file.
        value: what to write, or how much to move.
    """

    kind: str
    at: float
    other: float
    value: int

    @classmethod
    def of(cls, number: int) -> Mutation:
        """From one number below 2**68: drawing four would take most of the time."""
        number, kind = divmod(number, len(KINDS))
        number, at = divmod(number, 1 << 16)
        number, other = divmod(number, 1 << 16)
        number, interesting = divmod(number, 2)
        value = _INTERESTING[number % len(_INTERESTING)] if interesting else number - 2**31
        return cls(KINDS[kind], at / (1 << 16), other / (1 << 16), value)


KINDS = (
    "field",
    "bits",
    "field",
    "cut",
    "field",
    "remove",
    "field",
    "insert",
    "field",
    "copy",
    "field",
    "splice",
    "field",
    "word",
)

mutations = st.lists(st.integers(0, 2**68 - 1).map(Mutation.of), min_size=1, max_size=6)


def mutate(data: bytes, changes: Sequence[Mutation], other: bytes) -> bytes:
    """A damaged copy of a file; other is a file to take pieces from."""
    fields = _fields(data)
    damaged = bytearray(data)
    for change in changes:
        _apply(damaged, change, fields, other)
    return bytes(damaged)


def _apply(
    data: bytearray, change: Mutation, fields: Sequence[tuple[str, int]], other: bytes
) -> None:
    at, span = int(change.at * len(data)), abs(change.value) % 64
    start = int(change.other * len(other if change.kind == "splice" else data))
    match change.kind:
        case "bits" if data:
            data[at] ^= 1 << change.value % 8
        case "cut":
            del data[at:]
        case "remove":
            del data[at : at + span]
        case "insert":
            data[at:at] = bytes([change.value % 256]) * span
        case "copy":
            data[at : at + span] = data[start : start + span]
        case "splice":
            data[at : at + span] = other[start : start + span]
        case "word" if len(data) >= 4:
            _put(data, "I", at & ~3, change.value)
        case "field" if fields:
            code, position = fields[int(change.at * len(fields))]
            if change.other < 0.3:  # a little more or less than what is there
                change_by = change.value % 9 - 4
                _put(data, code, position, _get(data, code, position) + change_by)
            else:
                _put(data, code, position, change.value)
        case _:
            pass


def _get(data: bytearray, code: str, position: int) -> Any:
    if position + struct.calcsize("<" + code) > len(data):
        return 0
    return struct.unpack_from("<" + code, data, position)[0]


def _put(data: bytearray, code: str, position: int, value: Any) -> None:
    if position + struct.calcsize("<" + code) > len(data):
        return
    if code == "f":
        packed = struct.pack("<f", _FLOATS[int(abs(value)) % len(_FLOATS)] if value == value else 1)
    else:
        bits = _LIMITS[code]
        packed = (int(value) % 2**bits).to_bytes(bits // 8, "little")
    data[position : position + len(packed)] = packed


@cache
def _fields(data: bytes) -> tuple[tuple[str, int], ...]:
    """Format code and position of every scalar, offset and length that the reader looks at."""
    seen: dict[tuple[str, int], None] = {}

    class Recorder(flatbuffer.Reader):
        def unpack(self, code: str, position: int) -> Any:
            seen[code, position] = None
            return super().unpack(code, position)

        def slice(self, position: int, size: int) -> bytes:
            # Of vectors of numbers the first ones; of weights these are as good as any.
            seen.update({("I", position + 4 * i): None for i in range(min(size // 4, 8))})
            return super().slice(position, size)

    original = parse.Reader
    parse.Reader = Recorder  # type: ignore[misc]
    try:
        parse.parse(data, "seed")
    except TflmExtError:
        pass
    finally:
        parse.Reader = original  # type: ignore[misc]
    return tuple(seen)
