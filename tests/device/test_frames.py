"""Data frames between lines, without a device."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tflm_ext.device.frames import POSITIONS, SAMPLES, Frame, Received, decode, encode
from tflm_ext.device.protocol import crc16

FRAMES = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, POSITIONS - 1),
    st.integers(0, POSITIONS - 1),
    st.binary(min_size=1, max_size=239),
)


@given(FRAMES)
def test_a_frame_has_no_zero_within(frame: Frame) -> None:
    sent = encode(frame)
    assert sent[0] == sent[-1] == 0
    assert 0 not in sent[1:-1]
    assert len(sent) == len(frame.payload) + 15
    assert decode(sent[1:-1]) == frame


@given(st.binary(max_size=300))
def test_noise_is_no_frame(data: bytes) -> None:
    """Only what has its CRC is one."""
    frame = decode(data)
    assert frame is None or encode(frame)[1:-1] == data


@given(FRAMES, st.integers(0, 10**6), st.integers(1, 255))
def test_a_damaged_byte_is_noticed(frame: Frame, at: int, change: int) -> None:
    block = bytearray(encode(frame)[1:-1])
    block[at % len(block)] ^= change
    assert decode(block) is None


@given(st.lists(st.one_of(FRAMES, st.binary(max_size=40)), max_size=12), st.randoms())
def test_lines_and_frames_are_separated(parts: list[Frame | bytes], cut: random.Random) -> None:
    """However they arrive; what looks like a line within a frame has a wrong CRC."""
    sent, lines, frames = b"", [], []
    for part in parts:
        if isinstance(part, Frame):
            sent += encode(part)
            frames.append(part)
        else:
            text = part.hex().encode()
            lines.append(b"<%b*%04X" % (text, crc16(text)))
            sent += lines[-1] + b"\n"
    received, got, at = Received(), [], 0
    while at < len(sent):
        size = cut.randint(1, 50)
        received.add(sent[at : at + size])
        at += size
        while (line := received.pop()) is not None:
            start = line.rfind(b"<")
            if start >= 0 and line[-4:] == b"%04X" % crc16(line[start + 1 : -5]):
                got.append(line[start:])
    assert list(received.frames) == frames
    assert got == lines
    assert received.has_frames == bool(frames)


def test_after_noise_the_next_ones_arrive() -> None:
    received = Received()
    frame = Frame(SAMPLES, 1, 2, 3, b"\x00\x0a<\x00")
    whole = encode(frame)
    received.add(b"\xff\n" + whole[:7] + whole + b"<half\0<OK*F952\n" + whole[5:] + whole)
    lines = []
    while (line := received.pop()) is not None:
        lines.append(line)
    assert list(received.frames) == [frame, frame]
    assert b"<OK*F952" in lines
