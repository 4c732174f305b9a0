"""Files that are not WAV or CSV, the standard input, folders, and what is not a file."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.signals.wavs import wav
from tflm_ext.errors import ConfigError, StorageError
from tflm_ext.signals import Image, Microphone, Motion
from tflm_ext.signals import recordings_bytes as module
from tflm_ext.signals.recordings import read_recording, read_recordings

RATE: Any = 100
COUNTS = np.array([[1, 2, 3], [4, 5, 6]], "<i2")


def _refused(given: Any, source: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_recording(given, source)
    assert caught.value.problem.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value


def _connect(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


# ---------------------------------------------------------------- .npy


@pytest.mark.parametrize(
    "array",
    [
        COUNTS,
        COUNTS.astype(">i2"),
        np.asfortranarray(COUNTS),
        COUNTS.astype(np.int64),
        COUNTS.astype(np.float32) * np.float32(4 / 2**15),
        COUNTS.astype(">f8") * (4 / 2**15),
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_that_numpy_writes(tmp_path: Path, array: Any, version: tuple[int, int]) -> None:
    path = tmp_path / "own.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    np.testing.assert_array_equal(read_recording(path, Motion(RATE)), COUNTS)


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, None]),
        np.zeros(3, "c16"),
        np.zeros(3, "U4"),
        np.zeros(3, "M8[s]"),
        np.zeros(3, bool),
        np.zeros(3, [("x", "i2")]),
        np.zeros((3, 2), np.int16),
        np.array(7),
    ],
)
def test_other_arrays(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "own.npy", array)
    _refused(tmp_path / "own.npy", Microphone())


def _npy(header: str, data: bytes = b"\0\0") -> bytes:
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode("latin-1") + data


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY",
        b"\x93NUMPY\1\0\xff\xff",
        b"\x93NUMPY\2\0\xff\xff\xff\xff{",
        _npy(""),
        _npy("{'descr': '<i2', 'fortran_order': False, 'shape': (1000000000000,), }"),
        _npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }"),
        _npy("{'descr': '<i2', 'fortran_order': False, 'shape': (), }", b""),
        _npy("{'descr': '<i3', 'fortran_order': False, 'shape': (1,), }"),
        _npy("{'descr': '<f99', 'fortran_order': False, 'shape': (1,), }"),
        _npy("{'descr': '<i0', 'fortran_order': False, 'shape': (1,), }"),
        _npy("{'descr': '<i2', 'fortran_order': False, 'shape': (-1,), }"),
        _npy("{'descr': '<i2', 'fortran_order': False, 'shape': (1 1,), }"),
        _npy(f"{{'descr': '<i2', 'fortran_order': False, 'shape': ({'9' * 5000},), }}"),
        _npy(f"{{'descr': '<i2', 'fortran_order': False, 'shape': ({'1,' * 100}), }}"),
        _npy(f"{{'descr': '<i2', 'fortran_order': False, 'shape': ({'0,' * 100}), }}", b""),
        _npy("(" * 9000),
        _npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"\x80\4N."),
        _npy("__import__('os').abort()"),
    ],
)
def test_damaged_arrays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.npy").write_bytes(content)
    assert "own.npy" in _refused(tmp_path / "own.npy", Microphone()).problem


def test_images_of_a_file(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    np.save(tmp_path / "own.npy", images)
    np.testing.assert_array_equal(read_recording(tmp_path / "own.npy", Image(4, 5, 3)), images)
    for name, content in (("a.png", b"\x89PNG\r\n"), ("a.csv", b"1,2"), ("a.wav", wav(b"1234"))):
        (tmp_path / name).write_bytes(content)
        assert name in _refused(tmp_path / name, Image(4, 5, 3)).problem


# ---------------------------------------------------------------- raw


@pytest.mark.parametrize("name", ["own.raw", "own.PCM", "raw:own.bin"])
def test_raw_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name.removeprefix("raw:")).write_bytes(COUNTS.tobytes())
    np.testing.assert_array_equal(read_recording(name, Motion(RATE)), COUNTS)


@pytest.mark.parametrize(("size", "source"), [(7, Microphone()), (16, Motion(RATE))])
def test_raw_samples_that_are_cut_off(tmp_path: Path, size: int, source: Any) -> None:
    (tmp_path / "own.raw").write_bytes(bytes(size))
    assert f"{size} bytes" in _refused(tmp_path / "own.raw", source).problem


# ---------------------------------------------------------------- standard input


def _npy_of(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("given", "content"),
    [
        ("-", wav(COUNTS.tobytes(), rate=100, channels=3)),
        ("-", wav(COUNTS.tobytes(), rate=100, channels=3, size=0xFFFFFFFF)),
        ("-", b"1,2,3\n4,5,6\n"),
        ("-", b"x,y,z\n1,2,3\n4,5,6"),
        ("-", b"time,x,y,z\n0,1,2,3\n0.01,4,5,6\n"),
        ("-", _npy_of(COUNTS)),
        ("raw:-", COUNTS.tobytes()),
    ],
)
def test_the_standard_input(monkeypatch: pytest.MonkeyPatch, given: str, content: bytes) -> None:
    _connect(monkeypatch, content)
    np.testing.assert_array_equal(read_recording(given, Motion(RATE)), COUNTS)


@pytest.mark.parametrize("given", ["-", "raw:-"])
def test_pixels_at_the_standard_input(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 1), np.uint8)
    _connect(monkeypatch, pixels.tobytes())
    np.testing.assert_array_equal(read_recording(given, Image(3, 4)), pixels)


@pytest.mark.parametrize("content", [b"", b"fLaC1234", b"\0\1\2\3", b"RIFF", b"hello"])
def test_what_cannot_be_read_from_the_standard_input(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    _connect(monkeypatch, content)
    assert "stdin" in _refused("-", Motion(RATE)).problem


def test_a_terminal_is_not_a_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    main, other = os.openpty()
    with os.fdopen(other, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        assert "standard input" in _refused("-", Microphone()).problem
    os.close(main)
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input" in _refused("-", Microphone()).problem


class _Endless(io.RawIOBase):
    """A device that never ends, such as /dev/zero; counts what was read."""

    def __init__(self, head: bytes, rest: bytes) -> None:
        self.head, self.rest, self.count = head, rest, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self.head or (self.rest * len(buffer))[: len(buffer)]
        part, self.head = part[: len(buffer)], part[len(buffer) :] if self.head else b""
        buffer[: len(part)] = part
        self.count += len(part)
        return len(part)


@pytest.mark.parametrize(
    ("given", "head", "rest"),
    [
        ("raw:-", b"", b"\0"),
        ("-", b"", b"\0"),
        ("-", b"", b"1"),
        ("-", b"", b"\n"),
        ("-", b'1\n"', b"\n"),
        ("-", b"1", b"\n1"),
        ("-", wav(b"", size=0xFFFFFFFF), b"\0"),
        ("-", wav(b"", size=0x40000000), b"\0"),
        ("-", b"RIFF\0\0\0\0WAVE", b"\0"),
        ("-", b"RIFF\0\0\0\0WAVE", b"\xff"),
        ("-", _npy_of(np.zeros(2, np.int16))[:-4], b"\0"),
    ],
)
def test_a_device_that_never_ends(
    monkeypatch: pytest.MonkeyPatch, given: str, head: bytes, rest: bytes
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr("tflm_ext.signals.recordings_csv.MOST_VALUES", 1 << 16)
    device = _Endless(head, rest)
    stream = io.TextIOWrapper(io.BufferedReader(device))
    monkeypatch.setattr(sys, "stdin", stream)
    _refused(given, Microphone())
    assert device.count < 5 << 20


# ---------------------------------------------------------------- folders, pipes, devices


def test_a_folder_of_recordings(tmp_path: Path) -> None:
    (tmp_path / "b" / ".hidden").mkdir(parents=True)
    (tmp_path / "c.WAV").write_bytes(wav(b"\3\0"))
    (tmp_path / "b" / "two.csv").write_text("2\n")
    (tmp_path / "a.npy").write_bytes(_npy_of(np.array([1])))
    for name in ("notes.md", ".own.wav", "b/.hidden/one.wav", "labels.json"):
        (tmp_path / name).write_text("not a recording")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "nowhere")
    found = [own.tolist() for own in read_recordings(tmp_path, Microphone())]
    assert found == [[[1]], [[2]], [[3]]]


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recordings"):
        list(read_recordings(tmp_path, Microphone()))
    assert "folder" in _refused(tmp_path, Microphone()).problem


def test_the_file_in_a_folder_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n")
    (tmp_path / "b.csv").write_text("one\ntwo\n")
    with pytest.raises(ConfigError, match=r"b\.csv, line 2"):
        list(read_recordings(str(tmp_path), Microphone()))


def test_a_pipe_does_not_make_it_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.wav")
    assert "pipe or a device" in _refused(tmp_path / "own.wav", Microphone()).problem


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "raw:/dev/zero"])
def test_a_device_is_not_a_file(path: str) -> None:
    assert "pipe or a device" in _refused(path, Microphone()).problem


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "own.wav").open("wb") as file:
        file.truncate(module.MOST_BYTES + 1)
    assert "more than 1 GiB" in _refused(tmp_path / "own.wav", Microphone()).problem


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Any, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.os, "open", forbidden)
    with pytest.raises(StorageError, match="Permission denied"):
        read_recording(tmp_path / "own.wav", Microphone())


def test_a_mistyped_name_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "evening.wav").write_bytes(wav(b"12"))
    assert "evening.wav?" in _refused(tmp_path / "evenin.wav", Microphone()).hint


@pytest.mark.parametrize("name", ["own.npz", "own.docx", "own"])
def test_other_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\3\4 and more")
    assert name in _refused(tmp_path / name, Microphone()).problem
