"""The header of WAV files with samples of 16 bits: written, and corrected after a kill."""

from __future__ import annotations

import struct
from fractions import Fraction

UNKNOWN = 0xFFFFFFFF
"""Size of samples that are still being written; readers take what is there."""
HEADER = 44
MOST_BYTES = (1 << 30) - 4096
"""Samples of a file: WAV allows 4 GiB, and what reads recordings 1 GiB."""
_LAYOUT = "<4sI4s4sIHHIIHH4sI"
_PCM = 1


def header(channels: int, rate: Fraction, size: int | None) -> bytes:
    """Return the first 44 bytes of a file.

    Args:
        rate: samples of a channel per second; rounded, as a header has integers.
        size: of the samples in bytes; None while they are being written.
    """
    whole = max(round(rate), 1)
    frame = 2 * channels
    riff, data = (UNKNOWN, UNKNOWN) if size is None else (HEADER - 8 + size, size)
    return struct.pack(
        _LAYOUT,
        b"RIFF",
        riff,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        channels,
        whole,
        whole * frame,
        frame,
        16,
        b"data",
        data,
    )


def channels_of(head: bytes) -> int | None:
    """Return the channels by the first 44 bytes of a file; None if header() did not write them."""
    if len(head) != HEADER:
        return None
    fields = struct.unpack(_LAYOUT, head)
    riff, _, wave, fmt, size, code, channels, _, _, frame, bits, data, _ = fields
    fixed = (riff, wave, fmt, size, code, bits, data)
    if fixed != (b"RIFF", b"WAVE", b"fmt ", 16, _PCM, 16, b"data"):
        return None
    return int(channels) if channels and frame == 2 * channels else None


def size_of(head: bytes) -> int:
    """Return the bytes of samples that a header promises."""
    return int.from_bytes(head[HEADER - 4 : HEADER], "little")
