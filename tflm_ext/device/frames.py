"""Data frames of the serial protocol, between its lines. Performs no input or output.

A frame is 00 COBS(head, payload, CRC-16) 00. COBS replaces every 0 within by the distance to the
next one, and lines have none, so a 0 always ends what was before it: after noise on the line, the
next frame and the next line are found.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from tflm_ext.device.protocol import crc16

SAMPLES = 1
"""Type of a frame with samples."""
POSITIONS = 1 << 32
"""Positions are counted modulo this."""

_HEAD = struct.Struct("<BBII")
_LONGEST = 255  # bytes between the two 0
_LONGEST_LINE = 4096


def parse_position(text: str) -> int:
    """Return a position in a reply.

    Raises:
        ValueError: it is not eight hexadecimal digits.
    """
    if len(text) != 8:
        raise ValueError("a position has 8 digits")
    return int(text, 16)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that arrived undamaged.

    Attributes:
        kind: what the payload is, SAMPLES.
        stream: number that the host gave to the stream.
        position: of the first byte, among all bytes of samples since the device started, modulo
            POSITIONS.
        time_us: when the last samples arrived, in microseconds; wraps.
        payload: at most 239 bytes.
    """

    kind: int
    stream: int
    position: int
    time_us: int
    payload: bytes


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame on the line.

    Example:
        >>> encode(Frame(SAMPLES, 7, 256, 0, b"ab")).hex(" ")
        '00 03 01 07 02 01 01 01 01 01 01 05 61 62 ed 31 00'
    """
    head = _HEAD.pack(frame.kind, frame.stream, frame.position, frame.time_us)
    content = head + frame.payload
    content += crc16(content).to_bytes(2, "little")
    return b"\0" + b"".join(bytes([len(run) + 1]) + run for run in content.split(b"\0")) + b"\0"


def decode(block: bytes | bytearray) -> Frame | None:
    """Return the frame between two 0; None if it is something else, or damaged."""
    if not _HEAD.size + 2 < len(block) <= _LONGEST:
        return None
    content, at = bytearray(), 0
    while at < len(block):
        end = at + block[at]
        if end > len(block) or end == at:
            return None
        content += block[at + 1 : end]
        content += b"\0"
        at = end
    del content[-1:]
    if int.from_bytes(content[-2:], "little") != crc16(content[:-2]):
        return None
    kind, stream, position, time_us = _HEAD.unpack_from(content)
    return Frame(kind, stream, position, time_us, bytes(content[_HEAD.size : -2]))


class Received:
    """Received bytes, as lines and frames.

    Attributes:
        frames: that arrived, in order; taken by the user.
        has_frames: whether there was one ever.
    """

    def __init__(self) -> None:
        self.frames: deque[Frame] = deque()
        self.has_frames = False
        self._lines: deque[bytes] = deque()
        self._block = bytearray()  # since the last 0
        self._read = 0  # bytes of it that were returned as lines

    def add(self, data: bytes) -> None:
        """Append received bytes."""
        first, *others = data.split(b"\0")
        self._block += first
        for part in others:
            self._end_block()
            self._block += part

    def _end_block(self) -> None:
        frame = decode(self._block)
        if frame is not None:
            self.frames.append(frame)
            self.has_frames = True
        else:
            self._lines.extend(bytes(line) for line in self._block[self._read :].split(b"\n")[:-1])
        self._block.clear()
        self._read = 0

    def pop(self) -> bytes | None:
        """Return the next line without its newline; None if it is not complete yet.

        Of an incomplete line, no more bytes are kept than the longest reply has. A frame of which
        only a part has arrived may be returned as a damaged line.
        """
        if self._lines:
            return self._lines.popleft()
        end = self._block.find(b"\n", self._read)
        if end < 0:
            if len(self._block) - self._read > _LONGEST_LINE:
                del self._block[:-_LONGEST_LINE]
                self._read = 0
            return None
        line = bytes(self._block[self._read : end])
        self._read = end + 1
        if self._read > _LONGEST:
            del self._block[: self._read]
            self._read = 0
        return line
