"""WAV files: every kind of sample, and headers that lie."""

from __future__ import annotations

import io
import struct
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.signals.wavs import chunk, int24, wav
from tflm_ext.errors import ConfigError
from tflm_ext.signals import Analog, Microphone, Motion
from tflm_ext.signals.recordings import read_recording

EDGES = np.array([-32768, -32767, -256, -1, 0, 1, 2, 255, 32766, 32767])
SAMPLES = EDGES.astype("<i2").tobytes()


def _read(path: Path, content: bytes, source: Any = None) -> Any:
    file = path / "own.wav"
    file.write_bytes(content)
    return read_recording(file, source or Microphone())


def _refused(path: Path, content: bytes, source: Any = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        _read(path, content, source)
    assert "own.wav" in caught.value.problem
    assert caught.value.problem.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value


def test_what_the_standard_library_writes(tmp_path: Path) -> None:
    memory = io.BytesIO()
    with wave.open(memory, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(SAMPLES)
    assert _read(tmp_path, memory.getvalue())[:, 0].tolist() == EDGES.tolist()


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("kind", ["int8", "int16", "int24", "int32", "float32", "float64"])
def test_every_kind_of_sample(tmp_path: Path, kind: str, extensible: bool) -> None:
    values = EDGES if kind != "int8" else np.array([-128, -127, -1, 0, 1, 127]) * 256
    bits, code = int(kind.removeprefix("int").removeprefix("float")), 1 + 2 * ("float" in kind)
    data = {
        "int8": lambda: (values // 256 + 128).astype("u1").tobytes(),
        "int16": lambda: values.astype("<i2").tobytes(),
        "int24": lambda: int24(values * 256),
        "int32": lambda: (values * 65536).astype("<i4").tobytes(),
        "float32": lambda: (values / 32768).astype("<f4").tobytes(),
        "float64": lambda: (values / 32768).astype("<f8").tobytes(),
    }[kind]()
    content = wav(data, bits=bits, code=code, extensible=extensible)
    found = _read(tmp_path, content)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found[:, 0], values)


def test_finer_samples_are_rounded_and_saturated(tmp_path: Path) -> None:
    fine = np.array([127, 128, 129, 383, 384, 385, -128, -129, 8388607, -8388608])
    wanted = [0, 0, 1, 1, 2, 2, 0, -1, 32767, -32768]
    assert _read(tmp_path, wav(int24(fine), bits=24))[:, 0].tolist() == wanted
    wide = (fine * 256).astype("<i4").tobytes()
    assert _read(tmp_path, wav(wide, bits=32))[:, 0].tolist() == wanted
    loud = np.array([1.0, -1.0, 1.7, -2.0, *np.zeros(9)], "<f4").tobytes()
    found = _read(tmp_path, wav(loud, bits=32, code=3))
    assert found[:4, 0].tolist() == [32767, -32768, 32767, -32768]


@pytest.mark.parametrize("channels", [2, 3, 16])
def test_channels_alternate(tmp_path: Path, channels: int) -> None:
    values = np.arange(5 * channels).reshape(5, channels)
    content = wav(values.astype("<i2").tobytes(), channels=channels)
    found = _read(tmp_path, content, Microphone(16_000, channels))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, values)


def test_a_wav_of_any_stream(tmp_path: Path) -> None:
    values = np.arange(12).reshape(4, 3)
    content = wav(values.astype("<i2").tobytes(), rate=60, channels=3)
    motion = Motion(Fraction(119, 2))
    np.testing.assert_array_equal(_read(tmp_path, content, motion), values)
    content = wav(np.array([0, 4096], "<i2").tobytes(), rate=100)
    assert "4096" in _refused(tmp_path, content, Analog(Fraction(100))).problem


@pytest.mark.parametrize("rate", [41_666, 41_667])
def test_a_rate_that_is_not_whole_is_rounded_in_a_header(tmp_path: Path, rate: int) -> None:
    source = Microphone(Fraction(125_000, 3))
    assert len(_read(tmp_path, wav(SAMPLES, rate=rate), source)) == len(EDGES)
    assert "per second" in _refused(tmp_path, wav(SAMPLES, rate=rate + 2), source).problem


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_program_that_wrote_to_a_pipe(tmp_path: Path, size: int) -> None:
    content = bytearray(wav(SAMPLES, size=size))
    content[4:8] = struct.pack("<I", 0xFFFFFFFF)
    assert len(_read(tmp_path, bytes(content))) == len(EDGES)
    assert len(_read(tmp_path, bytes(content[:-1]))) == len(EDGES) - 1


def test_other_chunks_are_left_out(tmp_path: Path) -> None:
    before = chunk(b"LIST", b"INFOabc") + chunk(b"fact", b"\1\0\0\0") + chunk(b"JUNK", b"")
    content = wav(SAMPLES, before=before) + chunk(b"LIST", b"INFO")
    assert len(_read(tmp_path, content)) == len(EDGES)


def test_a_wav_is_recognised_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(wav(SAMPLES))
    assert len(read_recording(path, Microphone())) == len(EDGES)


def test_no_samples_are_an_empty_recording(tmp_path: Path) -> None:
    assert _read(tmp_path, wav(b"")).shape == (0, 1)


FORMAT = wav(SAMPLES)[12:36]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (wav(SAMPLES, rate=44_100), "44,100 samples per second"),
        (wav(SAMPLES, rate=0), "0 samples per second"),
        (wav(SAMPLES, rate=2**32 - 1), "per second"),
        (wav(SAMPLES, channels=2), "2 channels"),
        (wav(SAMPLES, channels=0), "0 x 16 bits"),
        (wav(SAMPLES, channels=65535, frame=2), "65535 x 16 bits"),
        (wav(SAMPLES, frame=0), "do not have 0 bytes"),
        (wav(SAMPLES, frame=4), "do not have 4 bytes"),
        (wav(SAMPLES, bits=12, frame=2), "12 bits"),
        (wav(SAMPLES, bits=0), "0 bits"),
        (wav(SAMPLES, bits=16, code=3), "16 bits"),
        (wav(SAMPLES, code=0), "0x0000"),
        (wav(SAMPLES, code=0x11), "IMA ADPCM"),
        (wav(SAMPLES, code=0x55, extensible=True), "MP3"),
        (wav(SAMPLES, code=7, bits=8), "mu-law"),
        (wav(SAMPLES, size=len(SAMPLES) + 2), "promises: 22 bytes"),
        (wav(SAMPLES, size=0x10000000), "promises"),
        (wav(SAMPLES, size=len(SAMPLES) - 1), "promises"),
        (wav(SAMPLES, size=0), "promises: 0 bytes"),
        (wav(SAMPLES)[:-3], "promises"),
        (wav(SAMPLES)[: 44 - 8], "before its samples"),
        (wav(SAMPLES)[:40], "before its samples"),
        (wav(SAMPLES)[:30], "format has"),
        (wav(SAMPLES)[:12], "before its format"),
        (wav(SAMPLES)[:7], "not with RIFF and WAVE"),
        (b"RIFF\0\0\0\0AVI ", "not with RIFF and WAVE"),
        (b"RIFX" + wav(SAMPLES)[4:], "not with RIFF and WAVE"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"data", SAMPLES) + FORMAT, "come before their format"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"\1\0"), "format has 2 bytes"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"", 0xFFFFFFFF), "format has 4,294,967,295"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"LIST", b"", 0xFFFFFFFF), "before its format"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"JUNK", b"") * 5000, "chunks"),
        (wav(SAMPLES, before=chunk(b"JUNK", b"", 0xFFFFFFFE)), "before its samples"),
        (b"plain text", "not with RIFF and WAVE"),
        (b"", "is empty"),
        (b"R", "not with RIFF and WAVE"),
        (wav(np.full(9, np.nan, "<f4").tobytes(), bits=32, code=3), "nan at sample 0"),
        (wav(np.array([0, -np.inf], "<f8").tobytes(), bits=64, code=3), "-inf at sample 1"),
        (wav(np.full(9, 12_000, "<f4").tobytes(), bits=32, code=3), "range is -1 to"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in _refused(tmp_path, content).problem


def test_the_hint_converts_this_file(tmp_path: Path) -> None:
    hint = _refused(tmp_path, wav(SAMPLES * 2, rate=44_100, channels=2)).hint
    assert f"ffmpeg -i {tmp_path / 'own.wav'} -ar 16000 -ac 1 -c:a pcm_s16le output.wav" in hint


@pytest.mark.parametrize("head", [b"fLaC", b"OggS", b"ID3\3", b"\xff\xfb\x90"])
def test_compressed_formats_are_named(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "sound.mp3"
    path.write_bytes(head + bytes(100))
    with pytest.raises(ConfigError, match=r"is a (FLAC|Ogg|MP3) file"):
        read_recording(path, Microphone())
