"""WAV files of every kind, right and wrong ones."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_GUID = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    """A chunk, maybe with a size that is not true."""
    padding = b"\0" * (len(data) % 2)
    return struct.pack("<4sI", name, len(data) if size is None else size) + data + padding


def wav(
    data: bytes,
    *,
    rate: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    code: int = 1,
    frame: int | None = None,
    extensible: bool = False,
    size: int | None = None,
    before: bytes = b"",
) -> bytes:
    """A WAV file.

    Args:
        data: its samples.
        code: of its format: 1 for integers, 3 for floats.
        frame: bytes of a sample of all channels, if that is not true.
        size: of the samples, if that is not true.
        before: chunks before the samples.
    """
    frame = channels * bits // 8 if frame is None else frame
    tag = 0xFFFE if extensible else code
    rest = frame * rate % 2**32, frame, bits
    form = struct.pack("<HHIIHH", tag, channels, rate, *rest)
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, code) + _GUID
    content = b"WAVE" + chunk(b"fmt ", form) + before + chunk(b"data", data, size)
    return struct.pack("<4sI", b"RIFF", len(content)) + content


def int24(values: Array) -> bytes:
    """Integers of 24 bits, little-endian."""
    return np.ascontiguousarray(values, "<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
