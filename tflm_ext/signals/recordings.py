"""Recordings: arrays, files and the standard input as samples of a source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.given import as_recordings
from tflm_ext.signals.parts import Part, require_description
from tflm_ext.signals.recordings_arrays import samples_of
from tflm_ext.signals.recordings_bytes import (
    FORMATS,
    RAW,
    STDIN,
    opened,
    read_up_to,
    standard_input,
)
from tflm_ext.signals.recordings_csv import read_csv
from tflm_ext.signals.recordings_npy import NPY, read_npy
from tflm_ext.signals.recordings_picture import FORMATS as PICTURES
from tflm_ext.signals.recordings_picture import is_picture, read_picture
from tflm_ext.signals.recordings_wav import read_wav
from tflm_ext.signals.sources import Source
from tflm_ext.signals.spec import Form
from tflm_ext.signals.stage import Array
from tflm_ext.storage import as_path, shown

_RAW_SUFFIXES = (".raw", ".pcm")
_TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_OTHERS = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"ID3": "MP3",
    b"\xff\xfb": "MP3",
    b"RF64": "RF64",
    b"RIFX": "RIFX",
    **PICTURES,
    b"PAR1": "Parquet",
    b"\x89HDF": "HDF5",
    b"PK": "ZIP or .npz",
    b"\x1f\x8b": "gzip",
}
_HEAD = 8


def read_recording(given: Any, source: Source) -> Array:
    """Return a recording as samples of a source.

    Args:
        given: one of

            - an array or nested lists: integers are counts of the source, as they come from the
              sensor; floats are in its real units, and are rounded and saturated;
            - the path of a WAV, CSV, .npy or .raw file; of images, also of a PNG, BMP or JPEG
              file;
            - "-": the standard input, whose content tells what it is: WAV, .npy, or else a CSV; of
              images, .npy, a picture, or else raw pixels;
            - a Part of a WAV file, as Store.recordings() gives it;
            - "raw:PATH" or "raw:-": raw samples, as in a .raw file: little-endian values of the
              source's type, whose channels alternate.
        source: a source of tflm_ext.sense.

    If a JSON of a store is next to a WAV file, it must fit the source, too: its exact rate, units
    and scales, and it must not tell of missing samples, which Store.recordings() leaves out.

    Returns:
        (samples, channels) of the source's type; of images, (images, height, width, channels).

    Raises:
        ConfigError: it does not fit the source, or it is damaged.
        StorageError: a file cannot be read.
    """
    return _read(given, source, "The recording")


def read_recordings(given: Any, source: Source) -> Iterator[Array]:
    """Yield recordings, one after another.

    Args:
        given: one or several recordings; see as_recordings() and read_recording().
        source: a source of tflm_ext.sense.

    Raises:
        ConfigError: there are none, or one of them does not fit the source; it is named.
        StorageError: a file cannot be read.
    """
    for number, own in enumerate(as_recordings(given, "recordings"), 1):
        yield _read(own, source, f"Recording {number}")


def _read(given: Any, source: Source, where: str) -> Array:
    if isinstance(given, Part):
        return _part(given, source)
    if not isinstance(given, str | os.PathLike):
        if given is None or isinstance(given, Mapping | bytes):
            raise ConfigError(
                f"{where} is a {type(given).__name__}, not an array.",
                "Pass an array, or the path of a file.",
            )
        return samples_of(given, source, where)
    name = os.fspath(given)
    raw = isinstance(name, str) and name.startswith(RAW)
    if raw:
        name = name.removeprefix(RAW)
    if name == "-":
        with standard_input() as file:
            return _content(file, source, STDIN, "", raw)
    path = as_path(where, name)
    suffix = path.suffix.lower()
    if not raw:
        require_description(path, source, shown(path), whole=True)
    with opened(path) as file:
        return _content(file, source, shown(path), suffix, raw or suffix in _RAW_SUFFIXES)


def _part(part: Part, source: Source) -> Array:
    where = shown(part.path)
    require_description(part.path, source, where, whole=False)
    with opened(part.path) as file:
        return read_wav(file, file.read(_HEAD), source, where, (part.start, part.stop))


def _content(file: BinaryIO, source: Source, where: str, suffix: str, raw: bool) -> Array:
    """Return the samples of a file, whose first bytes tell what it is.

    Args:
        suffix: of its name; "" for the standard input.
        raw: whether it has raw samples.
    """
    if raw:
        return _raw(bytes(read_up_to(file, None, where)), source, where)
    start = file.read(_HEAD)
    images = source.spec.form is Form.IMAGE
    if not start:
        raise ConfigError(f"{where} is empty.", FORMATS)
    if start.startswith(NPY):
        return samples_of(read_npy(file, start, where), source, where)
    if images and is_picture(start):
        return samples_of(read_picture(file, start, source, where), source, where)
    if images and where == STDIN:
        return _raw(start + read_up_to(file, None, where), source, where)
    if images:
        raise _refused(start, where, "Pass a PNG, BMP or JPEG file, or images in a .npy file.")
    if start.startswith(b"RIFF") or suffix == ".wav":
        return read_wav(file, start, source, where)
    if suffix in _TEXT_SUFFIXES or (where == STDIN and not _known(start)):
        return read_csv(file, source, where, start)
    raise _refused(start, where, "Convert it to WAV: ffmpeg -i INPUT -c:a pcm_s16le OUTPUT.wav.")


def _known(start: bytes) -> str:
    """Return the name of a format that cannot be read, from the first bytes; "" if unknown."""
    return next((name for head, name in _OTHERS.items() if start.startswith(head)), "")


def _refused(start: bytes, where: str, remedy: str) -> ConfigError:
    name = _known(start)
    what = f"a {name} file" if name else "a file of a format that is not known"
    return ConfigError(f"{where} is {what}.", remedy if name else FORMATS)


def _raw(data: bytes, source: Source, where: str) -> Array:
    """Return raw samples: little-endian values of the source's type."""
    spec = source.spec
    size = spec.size * spec.dtype.size
    if len(data) % size:
        raise ConfigError(
            f"{where} has {len(data):,} bytes; a sample has {size:,}.",
            f"Pass little-endian {spec.dtype.value} values, whose channels alternate.",
        )
    values = np.frombuffer(data, spec.dtype.numpy)
    return samples_of(values.reshape(-1, *spec.shape), source, where)
