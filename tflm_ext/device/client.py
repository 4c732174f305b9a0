"""A client of the firmware's serial protocol, for a board or the program of the host.

Every command may be repeated, so that all transmission errors are handled the same way:
resynchronise, then resend. Every request has a unique tag, and only the reply with this tag counts;
late replies to other requests are ignored. Firmware of version 1 has no tags. It replies in order,
so only further replies to INFO can arrive after a reply to INFO.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tflm_ext.device import protocol
from tflm_ext.device.frames import Frame, Received, parse_position
from tflm_ext.device.protocol import (
    UNREADABLE,
    DeviceEvent,
    DeviceInfo,
    ErrorCode,
    Reply,
)
from tflm_ext.device.transports import ByteStream, PortStream, ProgramStream
from tflm_ext.errors import ConfigError, ToolError, VerificationError

_STARTUP_SECONDS = 8.0  # a board that resets when its port is opened, and its self-test
_BUSY_SECONDS = 60.0  # an inference that takes longer than _REPLY_SECONDS
_REPLY_SECONDS = 2.0
_POLL_SECONDS = 0.5
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Number of golden vectors that passed when the device started, and their total."""

    passed: int
    total: int


class Device:
    """A device that runs a model, at the other end of a byte stream.

    Args:
        stream: the connection; closed together with the device.
        upload: the command that programs the device, for hints; None if it is not known.
        attempts: how often a command is sent before giving up.
    """

    def __init__(
        self, stream: ByteStream, *, upload: str | None = None, attempts: int = _ATTEMPTS
    ) -> None:
        self._stream = stream
        self._upload = f": {upload}" if upload else "."
        self._attempts = attempts
        self._lines = Received()
        self._answers: dict[int, Reply] = {}
        self._events: deque[DeviceEvent] = deque()
        self._tag = secrets.randbelow(protocol.TAGS)  # replies to an earlier session may arrive
        self._tagged = True
        self._untagged_greetings = 0  # requested and not answered yet
        self._info: DeviceInfo | None = None

    @classmethod
    def on_port(cls, port: str, *, upload: str | None = None) -> Self:
        """Connect to the board at a serial port, like "/dev/ttyACM0".

        Raises:
            ToolError: the port cannot be opened.
        """
        return cls(PortStream(port), upload=upload)

    @classmethod
    def in_program(cls, command: Sequence[str]) -> Self:
        """Start a program that speaks the protocol over its standard input and output.

        Raises:
            ToolError: it cannot be started.
        """
        return cls(ProgramStream(command))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._stream.close()

    def info(self) -> DeviceInfo:
        """Return a description of the model on the device; requested once, then cached.

        Raises:
            ToolError: there is no answer, or it does not follow the protocol.
            ConfigError: the device uses a different version of the protocol.
        """
        if self._info is None:
            self._info = self._parse_info(self._resynchronise(_STARTUP_SECONDS))
        return self._info

    def expect(self, model: str, sha256: str) -> None:
        """Check that the device runs exactly this model.

        Raises:
            ConfigError: it runs a different model.
        """
        info = self.info()
        if info.sha256 != sha256:
            raise ConfigError(
                f"{self._stream.name} runs the model {info.model!r} ({info.sha256[:8]}), but the "
                f"project's model is {model!r} ({sha256[:8]}).",
                f"Upload the project's firmware{self._upload}",
            )

    def expect_pipeline(self, model: str, sha256: str, pipeline: str) -> None:
        """Check that the device runs exactly this model and this pipeline.

        Raises:
            ConfigError: it runs something else.
        """
        self.expect(model, sha256)
        if self.info().pipeline != pipeline:
            whose = "the board at " if isinstance(self._stream, PortStream) else ""
            raise ConfigError(
                f"The pipeline of {whose}{self._stream.name} is not that of the project.",
                f"Upload the project's firmware{self._upload}",
            )

    def selftest(self) -> SelfTest:
        """Return the result of the golden vectors when the device started."""
        values = self._request("SELFTEST")
        with self._protocol_errors(values):
            return SelfTest(*protocol.parse_numbers(values, 2))

    def reset(self) -> None:
        """Return the state of a stateful model to its initial value."""
        self._request("RESET")

    def replay(self, samples: bytes, progress: Callable[[int], None]) -> tuple[DeviceEvent, ...]:
        """Reset the pipeline, push samples in the place of its sensor, and return the events.

        Args:
            samples: of the source's type, little-endian, channels alternating.
            progress: called with the number of bytes that were pushed.

        Raises:
            VerificationError: the pipeline failed on the device.
            ToolError: the connection was lost, or is too noisy.
        """
        self.reset()
        found: list[DeviceEvent] = []
        chunk = self.info().chunk_bytes
        for at in range(0, len(samples), chunk):
            data = samples[at : at + chunk]
            values = self._request(f"SAMPLES {at % protocol.WRAP} {data.hex().upper()}")
            with self._protocol_errors(values):
                _, count = protocol.parse_numbers(values, 2)
            found += map(self._event, range(len(found), count))
            progress(at + len(data))
        return tuple(found)

    # ------------------------------------------------------------ what comes without a request

    def listen(self, seconds: float) -> None:
        """Receive what comes, for frames() and events().

        Raises:
            ToolError: the connection was lost.
        """
        self._lines.add(self._stream.read(seconds))
        while (line := self._lines.pop()) is not None:
            with contextlib.suppress(ValueError):
                reply = protocol.parse_reply(line)
                if reply is not None and not self._reports(reply) and reply.tag is not None:
                    self._answers = {reply.tag: reply}

    def frames(self) -> Iterator[Frame]:
        """Yield the frames that have arrived, each once."""
        while self._lines.frames:
            yield self._lines.frames.popleft()

    def events(self) -> Iterator[DeviceEvent]:
        """Yield the events that the device has reported, each once."""
        while self._events:
            yield self._events.popleft()

    # ------------------------------------------------------------ samples of the sensor

    def start_stream(self, number: int) -> int:
        """Let the device send frames with samples, and return the position of the first one.

        Args:
            number: of the stream, 1 to 255; that of the last stream continues it.

        Raises:
            ConfigError: the firmware cannot send samples.
        """
        if not self.info().item_bytes:
            raise ConfigError(
                f"The firmware of {self._stream.name} does not send samples.",
                "Export the project with capture_seconds= (--capture-seconds), and upload its "
                f"firmware{self._upload}",
            )
        return self._position(self._request(f"STREAM {number}"))

    def stop_stream(self) -> int:
        """Let the device send no more samples, and return the position after the last one."""
        return self._position(self._request("STOP"))

    def source(self) -> str:
        """Return the JSON of the pipeline's source; untrusted."""
        values = self._request("SOURCE")
        with self._protocol_errors(values):
            return bytes.fromhex(values).decode("utf-8")

    def post(self, command: str) -> int:
        """Send a command without waiting for its reply, which answer() returns, and its tag."""
        tag = self._next_tag()
        if tag is None:
            raise AssertionError("a device without tags sends no samples")
        self._answers.clear()
        self._stream.write(protocol.request(command, tag))
        return tag

    def answer(self, tag: int) -> Reply | None:
        """Return the reply to the last post(), once; None if it has not arrived."""
        return self._answers.pop(tag, None)

    def _position(self, text: str) -> int:
        with self._protocol_errors(text):
            return parse_position(text)

    # ------------------------------------------------------------ requests

    def event(self, number: int) -> DeviceEvent:
        """Return one of the last events since the reset, by its number."""
        return self._event(number)

    def _event(self, number: int) -> DeviceEvent:
        values = self._request(f"EVENT {number}")
        with self._protocol_errors(values):
            return protocol.parse_event(values)

    def run(self, inputs: Sequence[bytes]) -> tuple[tuple[bytes, ...], int]:
        """Run one inference.

        Args:
            inputs: the bytes of each input; larger elements are little-endian.

        Returns:
            The raw bytes of each output, and the duration of the inference in microseconds.

        Raises:
            ConfigError: the number or the sizes of the inputs do not fit the model.
            VerificationError: the model failed on the device.
            ToolError: the connection was lost, or is too noisy.
        """
        info = self.info()
        sizes = tuple(len(data) for data in inputs)
        if sizes != info.input_bytes:
            raise ConfigError(
                f"The model {info.model!r} takes inputs of {info.input_bytes} bytes, "
                f"but the inputs passed have {sizes}.",
                "Pass the bytes of each input of the model.",
            )
        for index, data in enumerate(inputs):
            for offset in range(0, len(data), info.chunk_bytes):
                chunk = data[offset : offset + info.chunk_bytes]
                self._request(f"IN {index} {offset} {chunk.hex().upper()}")
        values = self._request("RUN")
        with self._protocol_errors(values):
            (microseconds,) = protocol.parse_numbers(values, 1)
        outputs = (self._output(index, size) for index, size in enumerate(info.output_bytes))
        return tuple(outputs), microseconds

    def _output(self, index: int, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            count = min(self.info().chunk_bytes, size - len(data))
            values = self._request(f"OUT {index} {len(data)} {count}")
            with self._protocol_errors(values):
                data += protocol.parse_bytes(values, count)
        return bytes(data)

    def _request(self, command: str) -> str:
        """Send a command until it is understood, and return the values of the reply."""
        self.info()
        word = command.partition(" ")[0]
        for attempt in range(self._attempts):
            if attempt > 0:
                # An inference may take longer than we wait for a reply.
                self._resynchronise(_BUSY_SECONDS)
            tag = self._next_tag()
            self._stream.write(protocol.request(command, tag))
            reply = self._reply(_REPLY_SECONDS, {tag}, greeting=False)
            if reply is None or reply.error in UNREADABLE:
                continue
            if reply.error is ErrorCode.MODEL_FAILED:
                raise VerificationError(
                    f"{self._stream.name} rejected {word}: {reply.message}.",
                    "Reset the device. If that does not help, export the project again and upload "
                    "its firmware.",
                )
            if not reply.ok:
                raise self._protocol_error(reply.text)
            return reply.values
        raise ToolError(
            f"{self._stream.name} did not answer {word} in {self._attempts} attempts.",
            "Check the cable, and close other programs that use the port.",
        )

    def _resynchronise(self, seconds: float) -> str:
        """Request INFO until it is answered, and discard everything that arrives before.

        Args:
            seconds: how long to try.

        Returns:
            The values of the reply.
        """
        deadline = time.monotonic() + seconds
        resend_at, interval = 0.0, _POLL_SECONDS
        tags: set[int | None] = set()
        found: Reply | None = None
        settled_at = 0.0
        while (now := time.monotonic()) < deadline:
            if found and (self._untagged_greetings <= 0 or now > settled_at):
                self._untagged_greetings = 0  # the others were lost
                return found.values
            if now >= resend_at and not found:
                tag = self._next_tag()
                tags.add(tag)
                self._untagged_greetings += tag is None
                # The newline ends half a line that the device may have received before.
                self._stream.write(b"\n" + protocol.request("INFO", tag))
                resend_at, interval = now + interval, 2 * interval
            reply = self._reply(_POLL_SECONDS, tags, greeting=True)
            if reply is None:
                continue
            if reply.error is ErrorCode.UNKNOWN_COMMAND and self._tagged:
                self._tagged, resend_at = False, 0.0  # version 1 reads the tag as part of the word
            if reply.greeting:
                found, settled_at = reply, time.monotonic() + 2 * _REPLY_SECONDS
                if self._tagged:
                    return found.values
        raise ToolError(
            f"{self._stream.name} does not respond like the firmware of a tflm_ext project.",
            "Check that this is the port of the board, and upload the project's firmware"
            f"{self._upload}",
        )

    def _next_tag(self) -> int | None:
        """Return the tag of a new request; None if the device does not support tags."""
        self._tag = (self._tag + 1) % protocol.TAGS
        return self._tag if self._tagged else None

    def _reply(
        self, seconds: float, tags: Collection[int | None], *, greeting: bool
    ) -> Reply | None:
        """Return the next reply to a request with one of these tags; None if none arrives in time.

        Late replies to other requests are discarded. An error without a tag is the reply to a
        request that the device could not read. A damaged reply ends the wait.

        Args:
            seconds: how long to wait.
            tags: tags of the requests; None stands for a request without a tag.
            greeting: whether that request was INFO.
        """
        deadline = time.monotonic() + seconds
        while True:
            while (line := self._lines.pop()) is not None:
                try:
                    reply = protocol.parse_reply(line)
                except ValueError:
                    if self._lines.has_frames:
                        continue  # it may be a part of a frame
                    return None
                if reply is None or self._reports(reply):
                    continue
                if reply.tag is not None:
                    if reply.tag in tags:
                        return reply
                    continue
                self._untagged_greetings -= reply.greeting
                if reply.failed or (reply.ok and None in tags and reply.greeting == greeting):
                    return reply
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._lines.add(self._stream.read(min(left, _POLL_SECONDS)))

    def _reports(self, reply: Reply) -> bool:
        """Keep an event that the device reports without a request."""
        event = None if reply.tag is not None else protocol.parse_report(reply.text)
        if event is not None:
            self._events.append(event)
        return event is not None

    def _parse_info(self, values: str) -> DeviceInfo:
        pairs = protocol.parse_pairs(values)
        version = pairs.get("protocol")
        if version not in protocol.VERSIONS:
            raise ConfigError(
                f"{self._stream.name} uses version {version} of the serial protocol; this version "
                f"of tflm_ext supports {' and '.join(protocol.VERSIONS)}.",
                "Export the project again with this version, and upload its firmware.",
            )
        self._tagged = version != "1"
        with self._protocol_errors(values):
            return protocol.parse_info(pairs)

    @contextlib.contextmanager
    def _protocol_errors(self, values: str) -> Iterator[None]:
        """Turn a ValueError about the values of a reply into an error for the user."""
        try:
            yield
        except ValueError as error:
            raise self._protocol_error(values) from error

    def _protocol_error(self, reply: str) -> ToolError:
        return ToolError(
            f"{self._stream.name} sent a reply that the protocol does not allow: {reply[:60]!r}.",
            "Export the project again with this version of tflm_ext, and upload its firmware.",
        )
