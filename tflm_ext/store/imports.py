"""Imports files of other programs into a store."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from pathlib import Path

from tflm_ext.errors import ConfigError
from tflm_ext.near import did_you_mean_file
from tflm_ext.signals.recordings_bytes import opened, read_up_to
from tflm_ext.signals.sources import Source
from tflm_ext.storage import as_path, shown
from tflm_ext.store import names
from tflm_ext.store.arrays import read_raw
from tflm_ext.store.edge_impulse import decode
from tflm_ext.store.folder import Store
from tflm_ext.store.incoming import Incoming
from tflm_ext.store.segment import Segment
from tflm_ext.store.tables import read_table
from tflm_ext.store.waves import read_wav_file

ENDINGS = (".wav", ".csv", ".tsv", ".txt", ".npz", ".json", ".cbor")
_MOST_BYTES = 1 << 27
"""Of JSON and CBOR, which take several times as much memory."""
_HOW = f"Pass a file that ends in {', '.join(ENDINGS)}."


def import_file(
    store: Store,
    path: str | Path,
    label: str | None = None,
    *,
    session: str | None = None,
    source: Source | None = None,
    key: str | None = None,
) -> list[Segment]:
    """Copy the recordings of a file into a store, and return the segments.

    Args:
        path: a WAV, CSV, .npz, or Edge Impulse file (.json or .cbor).
        label: of the recordings; None takes those of a .npz that this package has exported.
        session: of the recordings; by default, the name of the file, or as a .npz says.
        source: whose recordings they are, like Motion(50): samples become its counts.
        key: HMAC key, to check the signature of an Edge Impulse file.

    Raises:
        ConfigError: the file is damaged, does not fit the source, or has no label.
        ToolError: it is CBOR, and cbor2 is not installed.
        StorageError: a file cannot be read or written.
    """
    own = as_path("The file", path)
    if label is not None:
        names.require_name("label", label)
    if session is not None:
        names.require_name("session", session)
    # All are read before the first one is written: a damaged file leaves nothing.
    found = list(_read(own, source, key))
    if label is None and not all(one.label for one in found):
        raise ConfigError(f"{shown(own)} does not say its label.", "Pass --label.")
    done: list[Segment] = []
    for one in found:
        kept = session or one.session or _session(own)
        done += _write(store, one, label or one.label, kept)
    return done


def _read(path: Path, source: Source | None, key: str | None) -> Iterable[Incoming]:
    suffix = path.suffix.lower()
    if suffix not in ENDINGS:
        near = did_you_mean_file(path, ENDINGS)
        raise ConfigError(f"{shown(path)} has an ending that is not known.", f"{near}{_HOW}")
    if suffix == ".npz":
        return read_raw(path, source)
    if suffix == ".wav":
        return [read_wav_file(path, source)]
    if suffix in (".json", ".cbor"):
        where = shown(path)
        with opened(path) as file:
            data = bytes(read_up_to(file, _MOST_BYTES + 1, where))
        if len(data) > _MOST_BYTES:
            raise ConfigError(
                f"{where} has more than {_MOST_BYTES >> 20} MiB.", "Split it into several files."
            )
        return [decode(data, where, source, binary=suffix == ".cbor", key=key)]
    return [read_table(path, source)]


def _session(path: Path) -> str | None:
    """Return the name of a file as that of a session; None if it cannot be one."""
    return path.stem if names.is_name(path.stem) else None


def _write(store: Store, one: Incoming, label: str, session: str | None) -> Iterator[Segment]:
    """Write a recording with its gaps and times."""
    if not len(one.samples):
        raise ConfigError("A recording has no samples.", "Leave it out.")
    said = one.description
    with store.writer(
        label,
        said.sensor,
        session=session,
        firmware=said.firmware,
        pipeline=said.pipeline,
        who=said.who,
        when=said.when,
        note=said.note,
        event=said.event,
    ) as writer:
        gaps, clock = dict(said.gaps), dict(said.clock)
        cuts = sorted({0, *gaps, *clock, len(one.samples)})
        cuts = cuts[: bisect.bisect_right(cuts, len(one.samples))]
        for start, stop in zip(cuts, [*cuts[1:], cuts[-1]], strict=True):
            if start in gaps:
                writer.gap(gaps[start])
            writer.write(one.samples[start:stop], time_us=clock.get(start))
    return map(Segment.open, writer.paths)
