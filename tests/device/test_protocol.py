"""Requests, replies and lines of the serial protocol, without a device."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tflm_ext.device.frames import Received
from tflm_ext.device.protocol import (
    ErrorCode,
    Reply,
    crc16,
    parse_bytes,
    parse_info,
    parse_numbers,
    parse_pairs,
    parse_reply,
    request,
)

INFO = "protocol=2 model=m sha256=12345678abc context=99 chunk=2 new=1 inputs=4,1 outputs=2"


def definition(text: bytes) -> int:
    """CRC-16/CCITT-FALSE bit by bit, as docs/reference/protocol.md defines it."""
    crc = 0xFFFF
    for byte in text:
        for bit in range(7, -1, -1):
            carry = (crc >> 15) ^ (byte >> bit) & 1
            crc = (crc << 1) & 0xFFFF ^ 0x1021 * carry
    return crc


def test_crc_of_the_catalogue() -> None:
    assert crc16(b"123456789") == 0x29B1
    assert crc16(b"") == 0xFFFF


@given(st.binary(max_size=600))
def test_crc_is_the_one_that_is_documented(text: bytes) -> None:
    assert crc16(text) == crc16(bytearray(text)) == definition(text)


def test_request() -> None:
    assert request("IN 0 0 80FF007F") == b">IN 0 0 80FF007F*959E\n"
    assert request("INFO", 999_999) == b">INFO#999999*%04X\n" % crc16(b"INFO#999999")


def line(content: bytes) -> bytes:
    return b"<%b*%04X" % (content, crc16(content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"OK", Reply("OK")),
        (b"OK 3 3", Reply("OK 3 3")),
        (b"OK#0", Reply("OK", 0)),
        (b"OK a#b#42", Reply("OK a#b", 42)),
        (b"ERR 1 wrong CRC", Reply("ERR 1 wrong CRC")),
        (b"OK 3*3", Reply("OK 3*3")),
        (b"OK#", None),
        (b"OK#-1", None),
    ],
)
@pytest.mark.parametrize("before", [b"", b"\x00\xffnoise", b"<half a reply"])
@pytest.mark.parametrize("end", [b"", b"\r"])
def test_replies(before: bytes, content: bytes, end: bytes, expected: Reply | None) -> None:
    assert parse_reply(before + line(content) + end) == expected


@pytest.mark.parametrize("text", [b"", b"# digits: 3 of 3 golden vectors passed", b"OK*F952"])
def test_lines_for_people(text: bytes) -> None:
    assert parse_reply(text) is None


@pytest.mark.parametrize(
    "damaged",
    [
        b"<",
        b"<OK",
        b"<OK*",
        b"<OK*F953",
        b"<OK*f952",
        b"<OK*F952x",
        line("OK é".encode()),
        line(b"OK#" + b"9" * 5000),
    ],
)
def test_damaged_replies(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"wrong CRC|can't decode|integer string"):
        parse_reply(damaged)


def test_kinds_of_replies() -> None:
    assert (Reply("OK").ok, Reply("OK").values, Reply("OK").failed) == (True, "", False)
    assert (Reply("OK 1 2").ok, Reply("OK 1 2").values) == (True, "1 2")
    assert not Reply("OKAY").ok
    assert [Reply(f"ERR {code} x").error for code in range(7)] == [None, *ErrorCode, None]
    failed = Reply("ERR 5 the model failed")
    assert (failed.failed, failed.message) == (True, "the model failed")
    assert Reply("ERR 55 x").error is None
    assert Reply(f"OK {INFO}").greeting
    assert not Reply("OK 3 3").greeting


@given(st.lists(st.binary(max_size=9)), st.randoms())
def test_lines_are_the_same_however_they_arrive(lines: list[bytes], cut: object) -> None:
    """In pieces of any length; what follows the last newline is not a line yet."""
    sent = b"\n".join(lines).replace(b"\0", b"")
    buffer, got, at = Received(), [], 0
    while at < len(sent):
        size = cut.randint(1, 7)
        buffer.add(sent[at : at + size])
        at += size
        while (found := buffer.pop()) is not None:
            got.append(found)
    assert got == sent.split(b"\n")[:-1]


def test_an_endless_line_does_not_fill_the_memory() -> None:
    buffer = Received()
    for _ in range(100):
        buffer.add(b"a" * 10_000)
        assert buffer.pop() is None
    buffer.add(b"<OK*F952\n")
    found = buffer.pop()
    assert found is not None
    assert len(found) < 10_000
    assert parse_reply(found) == Reply("OK")


def test_info() -> None:
    info = parse_info(parse_pairs(INFO))
    assert (info.model, info.sha256) == ("m", "12345678abc")
    assert (info.context_bytes, info.chunk_bytes) == (99, 2)
    assert (info.input_bytes, info.output_bytes) == ((4, 1), (2,))


@pytest.mark.parametrize("key", ["model", "sha256", "context", "chunk", "inputs", "outputs"])
def test_info_without_a_key(key: str) -> None:
    pairs = parse_pairs(INFO)
    del pairs[key]
    with pytest.raises(ValueError, match=key):
        parse_info(pairs)


@pytest.mark.parametrize(
    ("key", "value"),
    [("chunk", "0"), ("chunk", "x"), ("inputs", "4,0"), ("inputs", ""), ("outputs", "-2")],
)
def test_info_with_a_size_that_is_not_allowed(key: str, value: str) -> None:
    with pytest.raises(
        ValueError, match=r"a size is less than 1|invalid literal|inputs without outputs"
    ):
        parse_info(parse_pairs(INFO) | {key: value})


def test_numbers_and_bytes() -> None:
    assert parse_numbers("3 0", 2) == (3, 0)
    assert parse_bytes("01FF", 2) == b"\x01\xff"
    for values in ("", "3", "3 x", "3 -3", "3  3", "3 3 3"):
        with pytest.raises(ValueError, match="2 numbers were expected"):
            parse_numbers(values, 2)
    for values in ("", "01", "0102FF", "0G01", "012"):
        with pytest.raises(ValueError, match=r"2 bytes were expected|non-hexadecimal"):
            parse_bytes(values, 2)
