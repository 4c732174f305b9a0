"""Completes what a killed program left in a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tflm_ext.document import entry
from tflm_ext.errors import ConfigError
from tflm_ext.signals.described import Description, beside, described, read_description
from tflm_ext.signals.recordings_bytes import not_read
from tflm_ext.storage import not_written, shown
from tflm_ext.store import names, wave
from tflm_ext.store.files import TEMPORARY, files_in, folders_in, replace_file
from tflm_ext.store.lock import Lock
from tflm_ext.store.names import joined

CUT_SHORT = "cut short"


@dataclass(frozen=True)
class Repaired:
    """A segment that was repaired."""

    name: str = entry('Its label and name, like "wave/20260412-093000-1".')
    done: str = entry("What was done.")


def repair(root: Path) -> tuple[Repaired, ...]:
    """Complete the files of all sessions that are not being recorded, and return what was done.

    Raises:
        StorageError: a file cannot be read or written.
    """
    found: list[Repaired] = []
    for session in sorted(set(_unfinished(root))):
        lock = Lock.take(root, session)
        if lock is None:
            continue
        try:
            found += _session(root, session)
        finally:
            lock.release()
    return tuple(found)


def _unfinished(root: Path) -> Iterator[str]:
    """Yield the sessions with segments that were not completed."""
    for folder in _labels(root):
        for path in _temporary(folder):
            yield _session_of(path)
        for place in files_in(folder, ".json"):
            name = names.split_name(place.stem)
            if name is None:
                continue
            wav = place.with_suffix(".wav")
            if not wav.is_file() or ((own := _described(wav)) is not None and not own.complete):
                yield name[0]


def _labels(root: Path) -> list[Path]:
    return [folder for folder in folders_in(root) if names.is_name(folder.name)]


def _temporary(folder: Path) -> Iterator[Path]:
    """Yield the files that replace_file() could not rename."""
    ending = f".json{TEMPORARY}"
    for path in folder.glob(f".*{ending}"):
        if names.split_name(path.name[1 : -len(ending)]) and not path.is_symlink():
            yield path


def _session_of(temporary: Path) -> str:
    name = names.split_name(temporary.name[1 : -len(f".json{TEMPORARY}")])
    assert name is not None  # _temporary() leaves out others
    return name[0]


def _described(wav: Path) -> Description | None:
    """Return the description of a WAV file; None if it has none that can be read."""
    try:
        return described(wav)
    except ConfigError:
        return None


# ---------------------------------------------------------------- one session


def _session(root: Path, session: str) -> Iterator[Repaired]:
    for folder in _labels(root):
        for path in _temporary(folder):
            if _session_of(path) == session:
                _unlink(path)
    for folder in _labels(root):
        for place in files_in(folder, ".json"):
            name = names.split_name(place.stem)
            if name is None or name[0] != session:
                continue
            done = _segment(root, place)
            if done:
                yield Repaired(f"{folder.name}/{place.stem}", done)


def _segment(root: Path, place: Path) -> str:
    """Repair a segment, and return what was done; "" if nothing.

    Args:
        place: of its JSON.
    """
    path = place.with_suffix(".wav")
    if not os.path.lexists(path):
        moved = _moved(root, path)
        if moved:
            return moved
        return _without_samples(path)
    found = _described(path)
    if found is None or found.complete or path.is_symlink():
        return ""
    try:
        with path.open("r+b", buffering=0) as file:
            head = file.read(wave.HEADER)
            size = os.fstat(file.fileno()).st_size
            frame = 2 * found.sensor.channels
            samples = max(size - wave.HEADER, 0) // frame
            if samples and wave.channels_of(head) == found.sensor.channels:
                return _sized(path, file.fileno(), found, samples, head)
    except OSError as error:
        raise not_written(path, error) from error
    expected = wave.header(found.sensor.channels, found.sensor.rate, None)
    if not samples and expected.startswith(head):
        return _without_samples(path)
    return ""  # another program has changed the file


def _sized(path: Path, file: int, found: Description, samples: int, head: bytes) -> str:
    """Write sizes of a WAV file, and its description."""
    frame = 2 * found.sensor.channels
    size = samples * frame
    rest = os.fstat(file).st_size - wave.HEADER - size
    whole = head == wave.header(found.sensor.channels, found.sensor.rate, size) and not rest
    if whole and found.note:
        return ""
    if rest:
        os.ftruncate(file, wave.HEADER + size)
    os.pwrite(file, wave.header(found.sensor.channels, found.sensor.rate, size), 0)
    os.fsync(file)
    repaired = replace(
        found,
        gaps=tuple(gap for gap in found.gaps if gap[0] <= samples),
        clock=tuple(mark for mark in found.clock if mark[0] < samples),
        note=joined(found.note, CUT_SHORT),
    )
    replace_file(beside(path), repaired.to_text().encode())
    return f"kept {samples:,} samples" + (f", removed {rest} bytes of the next one" if rest else "")


def _without_samples(path: Path) -> str:
    """Remove the files of a segment that was killed before its first sample."""
    place = beside(path)
    try:
        found = read_description(place.read_bytes(), shown(place))
    except ConfigError:
        return ""
    except OSError as error:
        raise not_read(shown(place), error) from error
    if found.complete:
        return ""
    _unlink(path)
    _unlink(place)
    return "removed, as it had no samples"


def _moved(root: Path, path: Path) -> str:
    """Move a WAV file to its JSON, if a kill between two renames left it; see relabel()."""
    others = [folder / path.name for folder in _labels(root) if folder != path.parent]
    lonely = [own for own in others if own.is_file() and not os.path.lexists(beside(own))]
    if len(lonely) != 1 or lonely[0].is_symlink():
        return ""
    try:
        os.rename(lonely[0], path)
    except OSError as error:
        raise not_written(path, error) from error
    return f"moved from {lonely[0].parent.name}"


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(path, error) from error
