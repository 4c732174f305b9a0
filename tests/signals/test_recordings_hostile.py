"""Random bytes and damaged recordings end in samples or in an error of tflm_ext."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.signals.wavs import chunk, int24, wav
from tflm_ext.errors import TflmExtError
from tflm_ext.signals import Analog, Image, Microphone, Motion
from tflm_ext.signals.recordings import read_recording

RATE: Any = 100
NOISE = np.random.default_rng(0).integers(-30000, 30000, (30, 3))


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


SEEDS: tuple[tuple[str, bytes], ...] = (
    ("a.wav", wav(NOISE.astype("<i2").tobytes(), rate=100, channels=3)),
    ("a.wav", wav(int24(NOISE), rate=100, channels=3, bits=24, extensible=True)),
    ("a.wav", wav((NOISE / 2**15).astype("<f4").tobytes(), rate=100, channels=3, bits=32, code=3)),
    ("a.wav", wav(NOISE.astype("u1").tobytes(), rate=100, bits=8, before=chunk(b"LIST", b"abc"))),
    ("a.csv", "\n".join(["time_ms,x,y,z", *(f"{10 * i},1,{i},-3" for i in range(30))]).encode()),
    ("a.csv", b"x [g];y [g];z [g]\n" + b"0.5;-0.25;1e-1\n" * 20),
    ("a.tsv", b"1\t2\t3\n" * 20 + b'"4"\t5\t6\r\n'),
    ("a.npy", _npy(NOISE.astype(np.int16))),
    ("a.npy", _npy(np.asfortranarray(NOISE / 2**15))),
    ("a.npy", _npy(np.zeros((2, 3, 4, 1), np.uint8))),
    ("a.raw", NOISE.astype("<i2").tobytes()),
)
SOURCES: tuple[Any, ...] = (Motion(RATE), Microphone(RATE), Analog(RATE), Image(3, 4))
TOKENS = (
    b"\0", b"\xff\xff\xff\xff", b"\n", b",", b";", b'"', b"nan", b"inf", b"-", b"1e999", b"\r",
    b"data", b"fmt ", b"RIFF", b"\x7f\xff\xff\xff", b"\1\0", b"\xfe\xff", b"9" * 400, b"(", b"}",
    b"<f8", b"time", b"[g]", b"\xef\xbb\xbf", b"\x93NUMPY\1\0", b"True", b"0.01",
)  # fmt: skip


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """Return a file with one to four changes."""
    data = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        at = int(random.integers(0, len(data) + 1)) if random.random() < 0.5 else None
        if at is None:  # headers are more interesting than samples
            at = int(random.integers(0, min(len(data), 60) + 1))
        token = TOKENS[int(random.integers(len(TOKENS)))]
        kind = int(random.integers(6))
        if kind == 0:
            data[at : at + len(token)] = token
        elif kind == 1:
            data[at:at] = token
        elif kind == 2:
            del data[at : at + int(random.integers(1, 20))]
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            data[at : at + 4] = int(random.integers(0, 2**32)).to_bytes(4, "little")
        elif at < len(data):
            data[at] ^= 1 << int(random.integers(8))
    return bytes(data)


def _survives(given: Any, source: Any) -> bool:
    """Whether a recording is read; everything else must be a TflmExtError."""
    try:
        found = read_recording(given, source)
    except TflmExtError as error:
        assert error.problem
        assert error.hint
        return False
    assert found.dtype == source.spec.dtype.numpy
    assert found.shape[1:] == source.spec.shape
    return True


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_damaged_files(tmp_path: Path, number: int) -> None:
    name, content = SEEDS[number]
    random = np.random.default_rng(number)
    path = tmp_path / name
    path.write_bytes(content)
    assert any(_survives(path, source) for source in SOURCES)
    read = 0
    for i in range(300):
        path.write_bytes(damaged(content, random))
        read += _survives(path, SOURCES[i % len(SOURCES)])
    assert read < 300


@pytest.mark.parametrize("name", ["a.wav", "a.csv", "a.npy", "a.raw", "a"])
def test_random_bytes(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(len(name))
    path = tmp_path / name
    heads = (b"", b"RIFF\0\0\0\0WAVE", b"\x93NUMPY\1\0\x76\0", b"1,2,3\n", b"time,x,y,z\n")
    for i in range(200):
        path.write_bytes(heads[i % len(heads)] + random.bytes(int(random.integers(0, 300))))
        _survives(path, SOURCES[i % len(SOURCES)])


def test_random_text(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    path = tmp_path / "a.csv"
    letters = list("0123456789.,;\t\n\r-+eE\"' xyzt[](g)_#")
    read = 0
    for i in range(400):
        text = "".join(random.choice(letters, int(random.integers(1, 80))))
        path.write_bytes(text.encode())
        read += _survives(path, SOURCES[i % 3])
    assert read < 400


def test_damaged_input(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(8)
    for i in range(300):
        content = damaged(SEEDS[i % len(SEEDS)][1], random)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        _survives("-", SOURCES[i % len(SOURCES)])
