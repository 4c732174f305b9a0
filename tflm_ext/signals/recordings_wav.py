"""WAV files as samples: PCM of 8, 16, 24 and 32 bits, and floats.

The parser is our own: the standard library's module does not read floats or, before Python 3.12,
extensible headers, and it believes what a header says about sizes.
"""

from __future__ import annotations

import os
import shlex
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.recordings_arrays import from_counts, from_real, missing_channels
from tflm_ext.signals.recordings_bytes import STDIN, opened, read_up_to, skip
from tflm_ext.signals.sources import FULL_SCALE, Channel, Source
from tflm_ext.signals.stage import Array
from tflm_ext.storage import shown

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # of a format, after its number
_COMPRESSED = {
    2: "ADPCM",
    6: "A-law",
    7: "mu-law",
    0x11: "IMA ADPCM",
    0x31: "GSM",
    0x50: "MPEG",
    0x55: "MP3",
    0xFF: "AAC",
}
_UNKNOWN_SIZE = 0x7FFFF000
"""A size from here on comes from a program that wrote to a pipe, and could not know it."""
_MOST_CHUNKS = 1000
_LONGEST_FORMAT = 1 << 12
_BLOCK = 1 << 18  # integers that are converted at once
_BITS = 16


@dataclass(frozen=True, slots=True)
class _Format:
    """A chunk "fmt ".

    Attributes:
        code: 1 for integers, 3 for floats.
        rate: samples of each channel per second.
        frame: bytes of a sample of every channel.
        bits: of a sample of one channel.
    """

    code: int
    channels: int
    rate: int
    frame: int
    bits: int


def read_wav(
    file: BinaryIO,
    start: bytes,
    source: Source,
    where: str,
    part: tuple[int, int] | None = None,
) -> Array:
    """Return the samples of a WAV file.

    Samples of 16 bits are taken as they are. Others are converted so that full scale is 32768:
    rounded to nearest, halves to even, and saturated.

    Args:
        file: after its first bytes; a file or a pipe.
        start: its first eight bytes.
        where: its name, for messages.
        part: the first sample to return, and the one after the last; None for all.

    Returns:
        (samples, channels), int16.

    Raises:
        ConfigError: it is damaged, compressed, or has another rate or number of channels.
    """
    form, size = _to_data(file, start, where)
    _check(form, source, where)
    piped = size >= _UNKNOWN_SIZE
    if part is not None:
        first, end = (min(at * form.frame, size) for at in part)
        skip(file, first, where)
        size, piped = end - first, False
    data = read_up_to(file, None if piped else size, where)
    cut = len(data) % form.frame
    if piped:
        del data[len(data) - cut :]
    elif len(data) < size or cut or (size == 0 and file.read(1)):
        raise ConfigError(
            f"{where} does not have the samples that its header promises: {size:,} bytes, "
            f"{form.frame} for each sample.",
            f"Copy the file again, or repair it: {_command(form.rate, source, where)}.",
        )
    return _samples(data, form, source, where)


def rate_and_channels(path: Path) -> tuple[int, int]:
    """Return the samples of each channel per second, and the channels, by a file's header.

    Raises:
        ConfigError: it is damaged.
        StorageError: it cannot be read.
    """
    where = shown(path)
    with opened(path) as file:
        form, _ = _to_data(file, file.read(8), where)
    if not form.rate or not form.channels:
        raise _damaged(
            where, f"it has {form.rate:,} samples per second of {form.channels} channels"
        )
    return form.rate, form.channels


def samples_in(path: Path) -> int:
    """Return the samples of each channel that a WAV file has.

    Raises:
        ConfigError: it is damaged.
        StorageError: it cannot be read.
    """
    where = shown(path)
    with opened(path) as file:
        form, size = _to_data(file, file.read(8), where)
        there = os.fstat(file.fileno()).st_size - file.tell()
    if not form.frame:
        raise _damaged(where, "its samples have 0 bytes")
    return max(min(size, there), 0) // form.frame


def _to_data(file: BinaryIO, start: bytes, where: str) -> tuple[_Format, int]:
    """Read up to the samples, and return their format and size in bytes."""
    head = start + file.read(4)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise _damaged(where, f"it begins with {head[:4]!r}, not with RIFF and WAVE")
    found = None
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            missing = "samples" if found else "format"
            raise _damaged(where, f"it ends before its {missing}")
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            if found is None:
                raise _damaged(where, "its samples come before their format")
            return found, size
        if name == b"fmt ":
            if size > _LONGEST_FORMAT:
                raise _damaged(where, f"its format has {size:,} bytes")
            found = _format(file.read(size + size % 2), where)
        else:
            skip(file, size + size % 2, where)
    raise _damaged(where, f"it has more than {_MOST_CHUNKS:,} chunks")


def _format(data: bytes, where: str) -> _Format:
    if len(data) < 16:
        raise _damaged(where, f"its format has {len(data)} bytes")
    code, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", data[:16])
    if code == _EXTENSIBLE and data[26:40] == _GUID:
        (code,) = struct.unpack("<H", data[24:26])
    return _Format(code, channels, rate, frame, bits)


def _check(form: _Format, source: Source, where: str) -> None:
    """Require a format that can be read, and that of the source."""
    command = _command(form.rate, source, where)
    known = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}
    if form.code not in known:
        name = _COMPRESSED.get(form.code, "not known")
        raise ConfigError(
            f"{where} is compressed: its format is {form.code:#06x}, {name}.",
            f"Convert it: {command}.",
        )
    if form.bits not in known[form.code]:
        raise ConfigError(f"{where} has samples of {form.bits} bits.", f"Convert it: {command}.")
    if form.channels == 0 or form.frame != form.channels * form.bits // 8:
        raise _damaged(
            where, f"samples of {form.channels} x {form.bits} bits do not have {form.frame} bytes"
        )
    wanted = source.spec.rate
    if abs(form.rate - wanted) >= 1 or (wanted.denominator == 1 and form.rate != wanted):
        raise ConfigError(
            f"{where} has {form.rate:,} samples per second; the source has {float(wanted):,.6g}.",
            f"Convert it: {command}; or use a source with rate={form.rate}."
            if form.rate
            else f"Write its header again, with a rate of {float(wanted):.6g}.",
        )
    missing_channels(
        form.channels,
        source,
        where,
        ("Use a source with fewer channels, or record all of them.", f"Convert it: {command}."),
    )


def _command(rate: int, source: Source, where: str) -> str:
    """Return the command that converts a file to what the source needs."""
    given = "input.wav" if where == STDIN else where
    wanted = round(source.spec.rate)
    resampled = f" -ar {wanted}" if rate != wanted else ""
    channels = source.spec.channels
    return f"ffmpeg -i {shlex.quote(given)}{resampled} -ac {channels} -c:a pcm_s16le output.wav"


def _damaged(where: str, why: str) -> ConfigError:
    return ConfigError(
        f"{where} is not a WAV file that can be read: {why}.",
        "Pass a file with PCM samples of 16 bits, as ffmpeg -c:a pcm_s16le writes it.",
    )


# ---------------------------------------------------------------- samples


def _samples(data: bytearray, form: _Format, source: Source, where: str) -> Array:
    """Return samples of a stream, (samples, channels)."""
    shape = (-1, form.channels)
    if form.code == _FLOAT:
        values = np.frombuffer(data, f"<f{form.bits // 8}").reshape(shape)
        full_scale = Channel((), "full scale", 1.0 / FULL_SCALE)
        counts = from_real(values, (full_scale,) * form.channels, where)
    elif form.bits == _BITS:
        counts = np.frombuffer(data, "<i2").reshape(shape)
    else:
        counts = _converted(data, form.bits // 8).reshape(shape)
    return from_counts(counts, source, where)


def _converted(data: bytearray, width: int) -> Array:
    """Return integers of 1, 3 or 4 bytes as int16, in their order."""
    count = len(data) // width
    found = np.empty(count, np.int16)
    for start in range(0, count, _BLOCK):
        values = _READERS[width](data[start * width : (start + _BLOCK) * width])
        counts = np.rint(values * FULL_SCALE)
        found[start : start + len(values)] = np.clip(counts, -FULL_SCALE, FULL_SCALE - 1)
    return found


def _int24(data: bytearray) -> Array:
    parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
    wide = np.zeros((len(parts), 4), np.uint8)
    wide[:, 1:] = parts
    return wide.view("<i4")[:, 0] / 2.0**31


_READERS: dict[int, Callable[[bytearray], Array]] = {
    1: lambda data: (np.frombuffer(data, np.uint8) - 128.0) / 2.0**7,
    3: _int24,
    4: lambda data: np.frombuffer(data, "<i4") / 2.0**31,
}
"""Values of full scale 1, as float64, by bytes of an integer."""
