"""Recordings in a .npz: raw samples with their descriptions, or windows of a pipeline."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.described import Description, Sensor, read_description
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.recordings_arrays import from_counts
from tflm_ext.signals.recordings_bytes import opened
from tflm_ext.signals.recordings_npy import NPY, read_npy
from tflm_ext.signals.sources import Source
from tflm_ext.signals.stage import Array
from tflm_ext.storage import shown
from tflm_ext.store import names
from tflm_ext.store.incoming import Incoming
from tflm_ext.store.segment import Segment

_HEAD = 8
_MOST_MEMBERS = 100_000
_MOST_BYTES = 1 << 30  # of a member
_PART = 1 << 22


def write_raw(file: BinaryIO, segments: Sequence[Segment]) -> None:
    """Write samples as "<label>/<session>-<n>", int16, each with its description as JSON."""
    with zipfile.ZipFile(file, "w") as archive:
        for segment in segments:
            _add(archive, segment.name, segment.read())
            archive.writestr(_member(f"{segment.name}.json"), segment.description.to_text())


def write_windows(file: BinaryIO, x: Array, y: Array) -> None:
    """Write x and y, as --data takes them."""
    with zipfile.ZipFile(file, "w") as archive:
        _add(archive, "x", x)
        _add(archive, "y", y)


def windows(
    pipeline: Pipeline, segments: Sequence[Segment], classes: Sequence[str]
) -> tuple[Array, Array]:
    """Return the inputs of a model for segments, and the number of the class of each.

    Raises:
        ConfigError: a segment does not fit the pipeline, or all are shorter than a window.
    """
    found, numbers = [], []
    for segment in segments:
        for part in segment.recordings():
            own = pipeline.quantized(part)
            found.append(own)
            numbers += [classes.index(segment.label)] * len(own)
    if not numbers:
        raise ConfigError(
            f"No recording has the {pipeline.first_window:,} samples that the first window takes.",
            "Record longer.",
        )
    return pipeline.real(np.concatenate(found)), np.array(numbers, np.int64)


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # with a fixed date: the same content is the same file


def _add(archive: zipfile.ZipFile, name: str, array: Array) -> None:
    with archive.open(_member(f"{name}.npy"), "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


# ---------------------------------------------------------------- reading


def read_raw(path: Path, source: Source | None) -> Iterator[Incoming]:
    """Yield the recordings in a .npz that write_raw() wrote, or in one with arrays of counts.

    Args:
        source: of arrays without a description.

    Raises:
        ConfigError: it is damaged, too large, or has arrays of something else.
        StorageError: it cannot be read.
    """
    where = shown(path)
    with opened(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield from _recordings(archive, source, where)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
            raise _damaged(where, str(error) or "it is cut off") from error
        except (RuntimeError, ValueError) as error:  # encrypted; an offset outside the file
            raise _damaged(where, str(error)) from error


def _recordings(archive: zipfile.ZipFile, source: Source | None, where: str) -> Iterator[Incoming]:
    members = {one.filename: one for one in archive.infolist()}
    if len(members) > _MOST_MEMBERS:
        raise _damaged(where, f"it has more than {_MOST_MEMBERS:,} arrays")
    arrays = [name for name in members if name.endswith(".npy")]
    if not arrays:
        raise _damaged(where, "it has no arrays")
    for name in arrays:
        stem = name.removesuffix(".npy")
        place = f"{where}, {stem!a:.80}"
        with _open(archive, members[name], place) as file:
            start = file.read(_HEAD)
            if not start.startswith(NPY):
                raise _damaged(place, "it is not an array")
            array = read_npy(file, start, place)
        found = members.get(f"{stem}.json")
        if found is None:
            yield _counts(array, stem, source, place)
            continue
        with _open(archive, found, place) as file:
            description = read_description(file.read(_PART + 1), place)
        yield _described(array, stem, description, place)


def _open(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> Any:
    if member.file_size > _MOST_BYTES:
        raise _damaged(where, "it has more than 1 GiB")
    return archive.open(member)


def _described(array: Array, stem: str, description: Description, where: str) -> Incoming:
    channels = description.sensor.channels
    if array.dtype != np.int16 or array.ndim != 2 or array.shape[1] != channels:
        raise _damaged(where, f"its samples are not int16 of the shape (samples, {channels})")
    label, _, last = stem.rpartition("/")
    split = names.split_name(last)
    named = split is not None and names.is_name(label)
    return Incoming(array, description, label if named else "", split[0] if split and named else "")


def _counts(array: Array, stem: str, source: Source | None, where: str) -> Incoming:
    """Return an array without a description as counts of a source."""
    if source is None:
        raise ConfigError(
            f"{where} has no description, so its rate is not known.",
            "Pass --check with an exported project or a pipeline's JSON, whose source tells.",
        )
    sensor = Sensor.of(source)
    if array.ndim == 1 and sensor.channels == 1:
        array = array[:, np.newaxis]
    if array.dtype.kind not in "iu" or array.ndim != 2 or array.shape[1] != sensor.channels:
        raise _damaged(
            where, f"its samples are not integers of the shape (samples, {sensor.channels})"
        )
    found = from_counts(array, source, where)
    return Incoming(found, Description(sensor), session=stem if names.is_name(stem) else "")


def _damaged(where: str, why: str) -> ConfigError:
    return ConfigError(
        f"{where} is not a file of recordings: {why}.",
        "Pass a .npz that tflm-ext recordings --export wrote, or one with arrays of int16.",
    )
