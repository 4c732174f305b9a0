"""A client of the firmware's serial protocol, for a board or the program of the host.

The protocol is described in docs/reference/protocol.md. All its commands may be repeated, so that
every transmission error is handled the same way: resynchronise, then resend. Every request has a
number of its own, its tag, and only the reply with this tag counts, however late others come.
Firmware of version 1 knows no tags; it answers in order, so that after a reply to INFO nothing late
can come but other replies to INFO.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tflm_ext.device.transports import ByteStream, PortStream, ProgramStream
from tflm_ext.errors import ConfigError, ToolError, VerificationError

PROTOCOL_VERSIONS = ("1", "2")

_FIRST_GREETING_SECONDS = 8.0  # a board that resets when its port is opened, and its self-test
_GREETING_SECONDS = 60.0  # an inference that takes longer than _REPLY_SECONDS
_REPLY_SECONDS = 2.0
_POLL_SECONDS = 0.5
_ATTEMPTS = 5
_REPLY_CHARACTERS = 4096
_TAGS = 1_000_000
_DAMAGED_REQUEST = ("ERR 1 ", "ERR 2 ")


def crc16(text: bytes | bytearray) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected.

    Example:
        >>> f"{crc16(b'123456789'):04X}"
        '29B1'
    """
    crc = 0xFFFF
    for byte in text:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def request(command: str, tag: int | None = None) -> bytes:
    """The line that asks for a command; the reply repeats the tag.

    Example:
        >>> request("INFO")
        b'>INFO*01C6\\n'
        >>> request("INFO", 7)
        b'>INFO#7*9FBA\\n'
    """
    text = (command if tag is None else f"{command}#{tag}").encode("ascii")
    return b">%b*%04X\n" % (text, crc16(text))


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What a device says about itself; sizes in bytes."""

    model: str
    sha256: str
    context_bytes: int
    chunk_bytes: int
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Golden vectors that gave the right outputs when the device started, and all of them."""

    passed: int
    total: int


class Device:
    """A device that runs a model, over any line.

    Args:
        stream: the line; the device owns it from now on.
        attempts: how often a command is said before the line is given up.

    Raises:
        ToolError: what answers, if anything, does not speak the protocol.
        ConfigError: it speaks another version of it.
    """

    def __init__(self, stream: ByteStream, *, attempts: int = _ATTEMPTS) -> None:
        self._stream = stream
        self._attempts = attempts
        self._received = bytearray()
        self._tag = secrets.randbelow(_TAGS)  # replies to an earlier session may still come
        self._tagged = True
        self._greetings = 0  # sent without a tag and not answered yet
        self._info: DeviceInfo | None = None

    @classmethod
    def on_port(cls, port: str) -> Self:
        """The board at a serial port, like "/dev/ttyACM0"."""
        return cls(PortStream(port))

    @classmethod
    def in_program(cls, command: Sequence[str]) -> Self:
        """A program that speaks the protocol over its standard input and output."""
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
        """Give the line back."""
        self._stream.close()

    def info(self) -> DeviceInfo:
        """What runs on the device; asked once, then remembered."""
        if self._info is None:
            self._info = self._parse_info(self._greet(_FIRST_GREETING_SECONDS))
        return self._info

    def expect(self, model: str, sha256: str) -> None:
        """Make sure that the device runs this very model.

        Raises:
            ConfigError: it runs another one.
        """
        info = self.info()
        if info.sha256 != sha256:
            raise ConfigError(
                f"{self._stream.name} runs the model {info.model!r} ({info.sha256[:8]}), "
                f"the project has {model!r} ({sha256[:8]}).",
                "Upload the project's firmware: pio run -e nano33ble -t upload",
            )

    def selftest(self) -> SelfTest:
        """The result of the golden vectors when the device started."""
        passed, total = self._numbers(self._ask("SELFTEST"), 2)
        return SelfTest(passed, total)

    def reset(self) -> None:
        """Put the state of a stateful model back to the start."""
        self._ask("RESET")

    def run(self, inputs: Sequence[bytes]) -> tuple[tuple[bytes, ...], int]:
        """One inference.

        Args:
            inputs: raw int8 bytes of every input.

        Returns:
            The raw bytes of every output, and the microseconds that the inference took.

        Raises:
            ConfigError: the number or a size of the inputs does not fit the model.
            VerificationError: the model failed on the device.
            ToolError: the line is cut, or too noisy.
        """
        info = self.info()
        sizes = tuple(len(data) for data in inputs)
        if sizes != info.input_bytes:
            raise ConfigError(
                f"The model {info.model!r} takes inputs of {info.input_bytes} bytes, "
                f"received {sizes}.",
                "Give one int8 buffer for every input of the model.",
            )
        for index, data in enumerate(inputs):
            for offset in range(0, len(data), info.chunk_bytes):
                chunk = data[offset : offset + info.chunk_bytes]
                self._ask(f"IN {index} {offset} {chunk.hex().upper()}")
        (microseconds,) = self._numbers(self._ask("RUN"), 1)
        outputs = (self._output(index, size) for index, size in enumerate(info.output_bytes))
        return tuple(outputs), microseconds

    def _output(self, index: int, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            count = min(self.info().chunk_bytes, size - len(data))
            answer = self._ask(f"OUT {index} {len(data)} {count}")
            try:
                chunk = bytes.fromhex(answer)
            except ValueError as error:
                raise self._nonsense(answer) from error
            if len(chunk) != count:
                raise self._nonsense(answer)
            data += chunk
        return bytes(data)

    def _ask(self, command: str) -> str:
        """Say a command until it is understood; returns the values of the reply."""
        self.info()
        word = command.partition(" ")[0]
        for attempt in range(self._attempts):
            if attempt > 0:
                # An inference may take longer than we wait for a reply.
                self._greet(_GREETING_SECONDS)
            tag = self._next_tag()
            self._stream.write(request(command, tag))
            reply = self._reply(_REPLY_SECONDS, {tag}, _is_no_greeting)
            if reply is None or reply.startswith(_DAMAGED_REQUEST):
                continue
            if reply.startswith("ERR 5 "):
                raise VerificationError(
                    f"{self._stream.name} refused {word}: {reply[6:]}.",
                    "Reset the device; if it stays so, export and upload the project again.",
                )
            if reply.startswith("ERR "):
                raise self._nonsense(reply)
            return reply[3:]
        raise ToolError(
            f"{self._stream.name} did not answer {word} in {self._attempts} attempts.",
            "Look at the cable, and close other programs that use the port.",
        )

    def _greet(self, seconds: float) -> str:
        """Ask INFO until its answer comes, and forget everything that came before."""
        deadline = time.monotonic() + seconds
        ask_at, patience = 0.0, _POLL_SECONDS
        tags: set[int | None] = set()
        found, found_at = "", 0.0
        while (now := time.monotonic()) < deadline:
            if found and (self._greetings <= 0 or now > found_at + 2 * _REPLY_SECONDS):
                self._greetings = 0  # the others were lost
                return found[3:]
            if now >= ask_at and not found:
                tag = self._next_tag()
                tags.add(tag)
                self._greetings += tag is None
                # The newline ends whatever half a line the device may still have.
                self._stream.write(b"\n" + request("INFO", tag))
                ask_at, patience = now + patience, 2 * patience
            reply = self._reply(_POLL_SECONDS, tags, _is_greeting)
            if reply is None or reply.startswith(_DAMAGED_REQUEST):
                continue
            if reply.startswith("ERR 3 ") and self._tagged:
                self._tagged, ask_at = False, 0.0  # version 1 takes the tag for a part of the word
            if _is_greeting(reply):
                found, found_at = reply, time.monotonic()
                if self._tagged:
                    return found[3:]
        raise ToolError(
            f"{self._stream.name} does not answer like the firmware of a tflm_ext project.",
            "Upload the project's firmware (pio run -e nano33ble -t upload) and use its port.",
        )

    def _next_tag(self) -> int | None:
        """The tag of a new request; None where the device knows none."""
        self._tag = (self._tag + 1) % _TAGS
        return self._tag if self._tagged else None

    def _reply(
        self, seconds: float, tags: Collection[int | None], expected: Callable[[str], bool]
    ) -> str | None:
        """The next reply to a request with one of these tags; None if none comes in time.

        Replies to other requests are late and dropped. Errors without a tag are of a request that
        the device did not understand. Lines that start with anything but `<` are for people. A
        damaged reply ends the wait.

        Args:
            seconds: how long to wait.
            tags: None among them stands for a request without a tag.
            expected: whether a reply without a tag can be meant.

        Returns:
            The reply without `<`, tag and CRC.
        """
        deadline = time.monotonic() + seconds
        while True:
            line, newline, rest = self._received.partition(b"\n")
            if newline:
                self._received = rest
                start = line.rfind(b"<")
                if start < 0:
                    continue
                text, star, crc = line[start + 1 :].rstrip(b"\r").rpartition(b"*")
                if not star or crc != b"%04X" % crc16(text) or not text.isascii():
                    return None
                reply, mark, tag = text.decode("ascii").rpartition("#")
                self._greetings -= not mark and _is_greeting(tag)
                if not mark and (tag.startswith("ERR ") or (None in tags and expected(tag))):
                    return tag
                if mark and tag.isdecimal() and int(tag) in tags:
                    return reply
                continue
            del self._received[:-_REPLY_CHARACTERS]
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._received += self._stream.read(min(left, _POLL_SECONDS))

    def _parse_info(self, answer: str) -> DeviceInfo:
        pairs = dict(pair.partition("=")[::2] for pair in answer.split(" "))
        version = pairs.get("protocol")
        if version not in PROTOCOL_VERSIONS:
            raise ConfigError(
                f"{self._stream.name} speaks version {version} of the protocol, this tflm_ext"
                f" speaks {' and '.join(PROTOCOL_VERSIONS)}.",
                "Export the project with this tflm_ext and upload its firmware.",
            )
        self._tagged = version != "1"
        try:
            info = DeviceInfo(
                model=pairs["model"],
                sha256=pairs["sha256"],
                context_bytes=int(pairs["context"]),
                chunk_bytes=int(pairs["chunk"]),
                input_bytes=tuple(int(size) for size in pairs["inputs"].split(",")),
                output_bytes=tuple(int(size) for size in pairs["outputs"].split(",")),
            )
        except (KeyError, ValueError) as error:
            raise self._nonsense(answer) from error
        if info.chunk_bytes < 1 or min(info.input_bytes + info.output_bytes) < 1:
            raise self._nonsense(answer)
        return info

    def _numbers(self, answer: str, count: int) -> tuple[int, ...]:
        words = answer.split(" ")
        if len(words) != count or not all(word.isdecimal() for word in words):
            raise self._nonsense(answer)
        return tuple(int(word) for word in words)

    def _nonsense(self, answer: str) -> ToolError:
        return ToolError(
            f"{self._stream.name} gave an answer outside the protocol: {answer[:60]!r}.",
            "Export the project with this tflm_ext and upload its firmware.",
        )


def _is_greeting(reply: str) -> bool:
    """Whether a reply is one to INFO."""
    return reply.startswith("OK protocol=")


def _is_no_greeting(reply: str) -> bool:
    return reply.startswith("OK") and not _is_greeting(reply)
