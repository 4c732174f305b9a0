"""Exports recordings of a store to files of other programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from tflm_ext.errors import ConfigError
from tflm_ext.near import one_of
from tflm_ext.signals.described import Description
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.stage import Array
from tflm_ext.storage import as_path, not_written, require_folders, shown
from tflm_ext.store.arrays import windows, write_raw, write_windows
from tflm_ext.store.edge_impulse import encode
from tflm_ext.store.files import TEMPORARY
from tflm_ext.store.segment import Segment
from tflm_ext.store.tables import write_csv

FORMATS = ("csv", "json", "cbor")
_MOST_VALUES = 1 << 24
"""Numbers in a text or CBOR file, 17 minutes of sound at 16,000 samples per second."""


def export_npz(
    path: str | os.PathLike[str],
    segments: Sequence[Segment],
    pipeline: Pipeline | None = None,
    classes: Sequence[str] | None = None,
) -> Path:
    """Write recordings to a .npz, and return its path.

    Args:
        pipeline: writes x, the inputs of its model, and y, the numbers of their classes, which
            --data and --calibration take; None writes raw samples with their descriptions, which
            import_file() reads.
        classes: labels in the order of the model's outputs; by default, by name.

    Raises:
        ConfigError: a recording does not fit the pipeline, or the ending is another one.
        StorageError: the file cannot be written.
    """
    target = _target(path, (".npz",))
    _require_some(segments)
    if pipeline is None:
        _write(target, lambda file: write_raw(file, segments))
        return target
    order = sorted({one.label for one in segments}) if classes is None else list(classes)
    unknown = sorted({one.label for one in segments} - set(order))
    if unknown:
        raise ConfigError(
            f"The label {unknown[0]!r} is not one of the classes {', '.join(order)}.",
            "Pass all labels, or fewer segments.",
        )
    x, y = windows(pipeline, segments, order)
    _write(target, lambda file: write_windows(file, x, y))
    return target


def export_file(
    path: str | os.PathLike[str], segments: Sequence[Segment], key: str | None = None
) -> Path:
    """Write one recording to a .csv file, or a .json or .cbor file of Edge Impulse.

    Args:
        key: HMAC key with which an Edge Impulse file is signed.

    Raises:
        ConfigError: there are several recordings, or one with gaps.
        ToolError: CBOR, and cbor2 is not installed.
        StorageError: the file cannot be written.
    """
    target = _target(path, tuple(f".{name}" for name in FORMATS))
    parts = list(_parts(_require_some(segments)))
    if len(parts) != 1:
        raise ConfigError(
            f"{target.name} can hold one recording without gaps, and there are {len(parts):,}.",
            f"Choose one with --segment, or pass a folder and --format {target.suffix[1:]}.",
        )
    (_, samples, description) = parts[0]
    content = _content(samples, description, target.suffix[1:], key)
    _write(target, lambda file: _all(file, content))
    return target


def export_folder(
    folder: str | os.PathLike[str],
    segments: Sequence[Segment],
    form: str = "csv",
    key: str | None = None,
) -> list[Path]:
    """Write each recording without gaps to a file, and return their paths.

    Files have names like "wave.20260412-093000-1.csv": Edge Impulse's uploader takes what is before
    the first point as label. Parts between gaps are numbered, ".1" and so on.

    Args:
        folder: is created; files in it that have the same names are replaced.
        form: "csv", "json" or "cbor".
        key: HMAC key with which Edge Impulse files are signed.

    Raises:
        ConfigError: the format is not known, or there is nothing to export.
        ToolError: CBOR, and cbor2 is not installed.
        StorageError: a file cannot be written.
    """
    one_of("format", form, FORMATS)
    root = as_path("The folder", folder)
    require_folders(root / "file")
    _require_some(segments)
    done = []
    for name, samples, description in _parts(segments):
        content = _content(samples, description, form, key)
        target = root / f"{name}.{form}"
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise not_written(root, error, "export again") from error
        _write(target, lambda file, content=content: _all(file, content))  # type: ignore[misc]
        done.append(target)
    return done


def _require_some(segments: Sequence[Segment]) -> Sequence[Segment]:
    if not segments:
        raise ConfigError("There is no recording to export.", "Record or import some first.")
    return segments


def _target(path: str | os.PathLike[str], endings: tuple[str, ...]) -> Path:
    target = as_path("The file", path)
    require_folders(target, "file")
    if target.suffix not in endings:
        raise ConfigError(
            f"Recordings cannot be written as {target.name!r:.60}.",
            f"Use one of the endings {', '.join(endings)}.",
        )
    if target.is_dir():
        raise ConfigError(f"{shown(target)} is a folder.", "Pass the name of a file.")
    return target


def _parts(segments: Sequence[Segment]) -> Iterator[tuple[str, Array, Description]]:
    """Yield name, samples and description of every recording between gaps."""
    for segment in segments:
        pieces = segment.pieces()
        for number, samples in enumerate(pieces, 1):
            part = f".{number}" if len(pieces) > 1 else ""
            label = segment.label.replace(".", "_")
            yield f"{label}.{segment.path.stem}{part}", samples, segment.description


def _content(samples: Array, description: Description, form: str, key: str | None) -> bytes:
    if samples.size > _MOST_VALUES:
        raise ConfigError(
            f"A recording has {samples.size:,} values, too many for {form}.",
            "Export it as .npz, or pass the WAV file to the other program.",
        )
    if form == "csv":
        return write_csv(samples, description)
    return encode(samples, description, binary=form == "cbor", key=key)


def _all(file: BinaryIO, content: bytes) -> None:
    file.write(content)


def _write(target: Path, fill: Callable[[BinaryIO], None]) -> None:
    """Write a file completely, or not at all."""
    temporary = target.with_name(f".{target.name}{TEMPORARY}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                fill(file)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(target, error, "export again") from error
