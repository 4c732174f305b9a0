"""A reader of untrusted FlatBuffers that checks every offset before it follows it.

The official Python package trusts the bytes: a hostile offset makes it read elsewhere, loop over
2^31 elements, or raise arbitrary exceptions. This reader raises only MalformedError. It also counts
the bytes that it returns, so that many tables with the same vector cannot make a small file slow.

Format: FlatBuffers internals, https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


class MalformedError(Exception):
    """The bytes are not a valid FlatBuffer."""


class Reader:
    """Bounds-checked access to the bytes of one file.

    Args:
        data: the file.
        amplification: limit of the bytes returned in total, as a multiple of the file's size.
    """

    def __init__(self, data: bytes, amplification: int = 16) -> None:
        self._data = data
        self._left = len(data) * amplification + 65536

    def _charge(self, size: int) -> None:
        # Count the access itself, too, because it takes time.
        self._left -= max(size, 4)
        if self._left < 0:
            raise MalformedError("the same bytes are referred to too often")

    def unpack(self, code: str, position: int) -> Any:
        """One little-endian scalar of a struct format code."""
        size = struct.calcsize("<" + code)
        if position < 0 or position + size > len(self._data):
            raise MalformedError(
                f"an offset leads to byte {position}, but the file has {len(self._data)}"
            )
        self._charge(size)
        return struct.unpack_from("<" + code, self._data, position)[0]

    def within(self, position: int, size: int) -> None:
        """Require this many bytes to be inside the file."""
        if position < 0 or position + size > len(self._data):
            raise MalformedError(
                f"a vector of {size} bytes at byte {position} extends beyond the end of the file"
            )

    def slice(self, position: int, size: int) -> bytes:
        """A copy of some bytes."""
        self.within(position, size)
        self._charge(size)
        return self._data[position : position + size]

    def follow(self, position: int) -> int:
        """The position that an unsigned offset stored at this position leads to."""
        return position + int(self.unpack("I", position))

    def root(self) -> Table:
        """The root table."""
        return Table(self, self.follow(0))

    def identifier(self) -> bytes:
        """The four bytes that name the schema."""
        return self.slice(4, 4)


class Table:
    """One table; fields are identified by their numbers in the schema.

    A field that is absent has its default value.
    """

    def __init__(self, reader: Reader, position: int) -> None:
        self._reader = reader
        self._position = position
        self._vtable = position - int(reader.unpack("i", position))
        self._vtable_size = int(reader.unpack("H", self._vtable))
        if self._vtable_size % 2:
            raise MalformedError(f"the table at byte {position} has an odd number of bytes")

    def position(self, field: int) -> int | None:
        """Return the position of a field in the file, None if absent."""
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_size:
            return None
        offset = int(self._reader.unpack("H", self._vtable + entry))
        return self._position + offset if offset else None

    def _scalar(self, code: str, field: int, default: Any) -> Any:
        at = self.position(field)
        return default if at is None else self._reader.unpack(code, at)

    def bool(self, field: int, default: bool = False) -> bool:
        return bool(self._scalar("B", field, default))

    def int8(self, field: int, default: int = 0) -> int:
        return int(self._scalar("b", field, default))

    def uint8(self, field: int, default: int = 0) -> int:
        return int(self._scalar("B", field, default))

    def int32(self, field: int, default: int = 0) -> int:
        return int(self._scalar("i", field, default))

    def uint32(self, field: int, default: int = 0) -> int:
        return int(self._scalar("I", field, default))

    def uint64(self, field: int, default: int = 0) -> int:
        return int(self._scalar("Q", field, default))

    def float32(self, field: int, default: float = 0.0) -> float:
        return float(self._scalar("f", field, default))

    def table(self, field: int) -> Table | None:
        """The table that a field refers to, None if absent."""
        at = self.position(field)
        return None if at is None else Table(self._reader, self._reader.follow(at))

    def vector(self, field: int, element_size: int) -> tuple[int, int] | None:
        """Position of the first element and number of elements, None if absent."""
        at = self.position(field)
        if at is None:
            return None
        start = self._reader.follow(at)
        count = int(self._reader.unpack("I", start))
        # Check that the whole vector is inside the file before anything loops over it.
        self._reader.within(start + 4, count * element_size)
        return start + 4, count

    def tables(self, field: int) -> tuple[Table, ...]:
        """The tables of a vector of tables, () if absent."""
        vector = self.vector(field, 4)
        if vector is None:
            return ()
        start, count = vector
        return tuple(Table(self._reader, self._reader.follow(start + 4 * i)) for i in range(count))

    def bytes(self, field: int) -> bytes | None:
        """The bytes of a vector of bytes, None if absent."""
        vector = self.vector(field, 1)
        return None if vector is None else self._reader.slice(*vector)

    def text(self, field: int) -> str:
        """A string, "" if absent; bytes that are not UTF-8 are replaced."""
        return (self.bytes(field) or b"").decode("utf-8", "replace")

    def _numbers(self, dtype: str, field: int) -> list[Any] | None:
        size = np.dtype(dtype).itemsize
        vector = self.vector(field, size)
        if vector is None:
            return None
        start, count = vector
        values: list[Any] = np.frombuffer(self._reader.slice(start, count * size), dtype).tolist()
        return values

    def int32s(self, field: int) -> tuple[int, ...] | None:
        """A vector of int32, None if absent."""
        numbers = self._numbers("<i4", field)
        return None if numbers is None else tuple(numbers)

    def int64s(self, field: int) -> tuple[int, ...] | None:
        """A vector of int64, None if absent."""
        numbers = self._numbers("<i8", field)
        return None if numbers is None else tuple(numbers)

    def float32s(self, field: int) -> tuple[float, ...] | None:
        """A vector of float32, None if absent."""
        numbers = self._numbers("<f4", field)
        return None if numbers is None else tuple(numbers)
