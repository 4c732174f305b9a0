"""The firmware's serial protocol: format of requests and replies. Performs no input or output.

docs/reference/protocol.md describes it. One request, one reply, each a line of ASCII with a CRC.
A request may have a number, its tag, which the reply repeats; firmware of version 1 has no tags.
"""

from __future__ import annotations

import binascii
import enum
from collections.abc import Mapping
from dataclasses import dataclass

VERSIONS = ("1", "2")
TAGS = 1_000_000
"""All tags are less than this."""


class ErrorCode(enum.IntEnum):
    """Why a device did not execute a request. The first two mean that it could not read it."""

    WRONG_CRC = 1
    TOO_LONG = 2
    UNKNOWN_COMMAND = 3
    BAD_ARGUMENT = 4
    MODEL_FAILED = 5


MOST_RESENT = 1600
"""Bytes of samples that one RESEND asks for at most."""
WRAP = 10**9
"""Bytes of samples are counted modulo this."""
UNREADABLE = (ErrorCode.WRONG_CRC, ErrorCode.TOO_LONG)


def crc16(text: bytes | bytearray) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF, not reflected.

    Example:
        >>> f"{crc16(b'123456789'):04X}"
        '29B1'
    """
    return binascii.crc_hqx(text, 0xFFFF)


def request(command: str, tag: int | None = None) -> bytes:
    """Return the line that requests a command.

    Example:
        >>> request("INFO")
        b'>INFO*01C6\\n'
        >>> request("INFO", 7)
        b'>INFO#7*9FBA\\n'
    """
    text = (command if tag is None else f"{command}#{tag}").encode("ascii")
    return b">%b*%04X\n" % (text, crc16(text))


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that arrived undamaged.

    Attributes:
        text: "OK", "OK values" or "ERR code text".
        tag: of the request; None if the reply has none.
    """

    text: str
    tag: int | None = None

    @property
    def ok(self) -> bool:
        return self.text == "OK" or self.text.startswith("OK ")

    @property
    def values(self) -> str:
        """The text after "OK "."""
        return self.text[3:]

    @property
    def failed(self) -> bool:
        return self.text.startswith("ERR ")

    @property
    def error(self) -> ErrorCode | None:
        """None unless the reply is one of the errors that the protocol lists."""
        return next((c for c in ErrorCode if self.text.startswith(f"ERR {c.value} ")), None)

    @property
    def message(self) -> str:
        """An error's text for humans."""
        return self.text[6:]

    @property
    def greeting(self) -> bool:
        """Whether this answers INFO."""
        return self.text.startswith("OK protocol=")


def parse_reply(line: bytes | bytearray) -> Reply | None:
    """Parse a line without its newline; None if it is not a reply, but text for humans.

    Raises:
        ValueError: the reply was damaged in transmission.

    Example:
        >>> parse_reply(b"<OK 3 3#42*CF4D")
        Reply(text='OK 3 3', tag=42)
    """
    start = line.rfind(b"<")
    if start < 0:
        return None
    content, star, crc = line[start + 1 :].rstrip(b"\r").rpartition(b"*")
    if not star or crc != b"%04X" % crc16(content):
        raise ValueError("wrong CRC")
    text, mark, tag = content.decode("ascii").rpartition("#")
    if not mark:
        return Reply(tag)
    return Reply(text, int(tag)) if tag.isdecimal() else None


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device's reply to INFO; sizes in bytes.

    Attributes:
        model: the model's name.
        sha256: of the exported .tflite.
        context_bytes: RAM of the model.
        chunk_bytes: most bytes that one IN or OUT can carry.
        input_bytes, output_bytes: sizes of the inputs and outputs, in order.
        pipeline: SHA-256 of the pipeline; "" without one.
        item_bytes: of a sample of all channels; 0 if the device sends no samples.
        ring_bytes: how many bytes of samples the device remembers.
    """

    model: str
    sha256: str
    context_bytes: int
    chunk_bytes: int
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]
    pipeline: str = ""
    item_bytes: int = 0
    ring_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """An event that a pipeline on the device found.

    Attributes:
        number: since the reset, from 0.
        milliseconds: of signal.
        label: class, -1 for unknown.
        score: what the decision compared, in its steps.
    """

    number: int
    milliseconds: int
    label: int
    score: int


def parse_event(values: str) -> DeviceEvent:
    """Return the event in a reply to EVENT.

    Raises:
        ValueError: it does not have four integers.
    """
    words = values.split(" ")
    if len(words) != 4:
        raise ValueError("4 numbers were expected")
    return DeviceEvent(*map(int, words))


def parse_report(text: str) -> DeviceEvent | None:
    """Return the event in a line without a request; None if the line is something else."""
    word, _, values = text.partition(" ")
    try:
        return parse_event(values) if word == "EVENT" else None
    except ValueError:
        return None


def parse_pairs(values: str) -> dict[str, str]:
    """Return the keys and values of a reply to INFO.

    Example:
        >>> parse_pairs("protocol=2 model=digits")
        {'protocol': '2', 'model': 'digits'}
    """
    return dict(pair.partition("=")[::2] for pair in values.split(" "))


def parse_info(pairs: Mapping[str, str]) -> DeviceInfo:
    """Return the device described by a reply to INFO; unknown keys are ignored.

    Raises:
        ValueError: a key is missing, or its value is not allowed.
    """
    try:
        info = DeviceInfo(
            model=pairs["model"],
            sha256=pairs["sha256"],
            context_bytes=int(pairs["context"]),
            chunk_bytes=int(pairs["chunk"]),
            input_bytes=_sizes(pairs["inputs"]),
            output_bytes=_sizes(pairs["outputs"]),
            pipeline=pairs.get("pipeline", ""),
            **_stream(pairs.get("stream")),
        )
    except KeyError as error:
        raise ValueError(f"{error} is missing") from error
    if bool(info.input_bytes) != bool(info.output_bytes):
        raise ValueError("there are inputs without outputs, or the other way round")
    if min((info.chunk_bytes, *info.input_bytes, *info.output_bytes)) < 1:
        raise ValueError("a size is less than 1")
    return info


def _stream(values: str | None) -> dict[str, int]:
    """Return the sizes of a sample and of the ring."""
    if values is None:
        return {}
    item, ring = map(int, values.split(","))
    if item < 1 or ring < item:
        raise ValueError("a size is less than 1")
    return {"item_bytes": item, "ring_bytes": ring}


def _sizes(values: str) -> tuple[int, ...]:
    """Return sizes that commas separate; none if there is no model."""
    return tuple(int(size) for size in values.split(",")) if values else ()


def parse_numbers(values: str, count: int) -> tuple[int, ...]:
    """Return the numbers in a reply.

    Raises:
        ValueError: there are more or fewer than `count`, or one is not a number.
    """
    words = values.split(" ")
    if len(words) != count or not all(word.isdecimal() for word in words):
        raise ValueError(f"{count} numbers were expected")
    return tuple(int(word) for word in words)


def parse_bytes(values: str, count: int) -> bytes:
    """Return the bytes in a reply to OUT.

    Raises:
        ValueError: there are more or fewer than `count`, or they are not hexadecimal digits.
    """
    data = bytes.fromhex(values)
    if len(data) != count:
        raise ValueError(f"{count} bytes were expected")
    return data
