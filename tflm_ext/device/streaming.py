"""Samples of a device's sensor in order, over a line that loses and damages bytes.

The device sends frames without waiting. Each has the position of its bytes, so that a hole shows
when the next frame arrives. What is missing is requested again from the ring on the device; what
has left the ring is a gap. Nothing is given to the caller twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tflm_ext.device.client import Device
from tflm_ext.device.frames import POSITIONS, SAMPLES, Frame, parse_position
from tflm_ext.device.protocol import MOST_RESENT, UNREADABLE
from tflm_ext.errors import ToolError

_ASK_SECONDS = 0.2  # between requests for the same bytes
_SILENT_SECONDS = 2.0  # without a frame, before the device is asked whether it still sends
_MOST_WAITING = 1 << 24  # bytes after a hole
_STOP_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Part:
    """The next bytes of a stream.

    Attributes:
        at: position of the first byte since the stream began.
        data: samples, lowest byte first, channels alternating; may begin or end within a sample.
        time_us: when the samples had arrived at the device, by its clock in microseconds.
        missing: instead, the bytes that are lost.
    """

    at: int
    data: bytes = b""
    time_us: int = 0
    missing: int = 0


class StreamLost(Exception):
    """The device has started again, or sends another stream."""


class SampleStream:
    """A stream of samples from a device, from start() to stop().

    Args:
        device: with firmware that sends samples.
        number: of the stream, 1 to 255.
        earlier: a stream with this number whose connection was lost, to go on; without start().
            read() returns what is missing, or raises StreamLost if the device has started again.
    """

    def __init__(self, device: Device, number: int, earlier: SampleStream | None = None) -> None:
        self._device = device
        self._number = number
        # The device's position of the next part, without wrapping.
        self._next: int = 0 if earlier is None else earlier._next
        self._waiting: dict[int, Frame] = {}
        self._asked_for = -1
        self._tag: int | None = None
        self._asked = self._heard = time.monotonic()
        self.first: int = 0 if earlier is None else earlier.first

    @property
    def at(self) -> int:
        """Position after the last part."""
        return self._next - self.first

    def start(self) -> None:
        """Begin the stream.

        Raises:
            ConfigError: the firmware cannot send samples.
            ToolError: the connection was lost.
        """
        self.first = self._next = self._device.start_stream(self._number)

    def read(self, seconds: float) -> tuple[Part, ...]:
        """Return the parts that follow, after waiting at most this long for a byte.

        Raises:
            StreamLost: the device has started again.
            ToolError: the connection was lost.
        """
        self._device.listen(seconds)
        found = self._take()
        now = time.monotonic()
        silent = now - max(self._heard, self._asked) > _SILENT_SECONDS
        again = self._next != self._asked_for or now - self._asked > _ASK_SECONDS
        if silent or (self._waiting and again):
            self._ask(min(self._waiting, default=self._next))
        return tuple(found)

    def stop(self) -> tuple[Part, ...]:
        """End the stream, and return the parts that are left.

        Raises:
            StreamLost: the device has started again.
            ToolError: the connection was lost, or is too noisy.
        """
        end = self._unwrap(self._device.stop_stream())
        found = self._take()
        attempts = 0
        while self._next < end and attempts < _STOP_ATTEMPTS:
            before = self._next
            self._ask(min(self._waiting, default=end))
            deadline = time.monotonic() + _ASK_SECONDS
            while self._next < end and (left := deadline - time.monotonic()) > 0:
                self._device.listen(left)
                found += self._take()
                if self._next > before:
                    break
            attempts = 0 if self._next > before else attempts + 1
        if self._next >= end:
            return tuple(found)
        raise ToolError(
            f"{end - self._next:,} bytes of samples were not received in {_STOP_ATTEMPTS} "
            "attempts.",
            "Check the cable, and close other programs that use the port.",
        )

    def _unwrap(self, position: int) -> int:
        """Return a position without wrapping, which is near the next one."""
        ahead = (position - self._next) % POSITIONS
        return self._next + (ahead if ahead < POSITIONS // 2 else ahead - POSITIONS)

    def _take(self) -> list[Part]:
        """Take the frames that have arrived, and return the parts that follow."""
        for frame in self._device.frames():
            if frame.kind != SAMPLES or frame.stream != self._number:
                continue
            self._heard = time.monotonic()
            at = self._unwrap(frame.position)
            if self._next < at + len(frame.payload) and at - self._next < _MOST_WAITING:
                known = self._waiting.get(at)
                if known is None or len(known.payload) < len(frame.payload):
                    self._waiting[at] = frame
        return [*self._following(), *self._lost()]

    def _following(self) -> Iterator[Part]:
        while self._waiting:
            at = min(self._waiting)
            if at > self._next:
                return
            frame = self._waiting.pop(at)
            data = frame.payload[self._next - at :]
            if data:
                yield Part(self.at, data, frame.time_us)
                self._next += len(data)

    def _ask(self, end: int) -> None:
        """Request the bytes before `end` again. The reply tells which of them are lost."""
        count = max(min(end - self._next, MOST_RESENT), 0)
        position = self._next % POSITIONS
        self._tag = self._device.post(f"RESEND {self._number} {position:08X} {count}")
        self._asked, self._asked_for = time.monotonic(), self._next

    def _lost(self) -> Iterator[Part]:
        """Yield the gap that the reply to the last request tells, and the parts after it."""
        reply = None if self._tag is None else self._device.answer(self._tag)
        if reply is None or reply.error in UNREADABLE:
            return
        if not reply.ok:
            raise StreamLost(reply.message)
        try:
            first = self._unwrap(parse_position(reply.values.partition(" ")[0]))
        except ValueError:
            return  # the next request has another reply
        lost = min([first, *self._waiting])
        if lost > self._next:
            yield Part(self.at, missing=lost - self._next)
            self._next = lost
            yield from self._following()
