"""A store: a folder with a folder for each label, which has WAV files and their descriptions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tflm_ext.errors import ConfigError
from tflm_ext.near import did_you_mean
from tflm_ext.signals.described import Description, Sensor, described
from tflm_ext.signals.parts import Part
from tflm_ext.signals.recordings_bytes import not_read
from tflm_ext.storage import as_path, not_written, require_folders, shown
from tflm_ext.store import names, wave
from tflm_ext.store.files import files_in, folders_in
from tflm_ext.store.lock import Lock
from tflm_ext.store.moves import relabel
from tflm_ext.store.repair import Repaired, repair
from tflm_ext.store.segment import Segment
from tflm_ext.store.writer import SegmentWriter

_LETTERS = "bcdefghijklmnopqrstuvwxyz"


class Store:
    """Recordings in a folder: DIR/<label>/<session>-<n>.wav, each with a JSON next to it.

    Args:
        folder: need not exist; it is created when something is recorded.

    Raises:
        ConfigError: the path leads through a file.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = as_path("The store", folder)
        require_folders(self.folder / "label")
        self._repaired = False

    def __repr__(self) -> str:
        return f"Store({os.fspath(self.folder)!r})"

    # ------------------------------------------------------------ what is in it

    def labels(self) -> list[str]:
        """Return the labels that have WAV files, by name."""
        return [path.name for path in self._folders() if files_in(path, ".wav")]

    def _folders(self) -> list[Path]:
        return [path for path in folders_in(self.folder) if names.is_name(path.name)]

    def segments(self, label: str | None = None) -> tuple[Segment, ...]:
        """Return the segments, by label, session and number.

        WAV files without a JSON, or with another name, are left out; see strangers().

        Args:
            label: of those to return; None for all.

        Raises:
            ConfigError: a description is damaged, or there is no such label.
            StorageError: a file cannot be read.
        """
        known = self.labels()
        if label is not None and label not in known:
            raise ConfigError(
                f"{shown(self.folder)} has no label {label!r:.80}.",
                f"{did_you_mean(label, known)}It has: {', '.join(known) or 'none'}.",
            )
        found = [
            Segment.open(path)
            for path, ours in self._files()
            if ours and label in (None, path.parent.name)
        ]
        return tuple(sorted(found, key=lambda one: (one.label, one.session, one.number)))

    def recordings(self, label: str | None = None) -> list[Path | Part]:
        """Return the recordings of a label, for features(), fitted(), calibrated() and export().

        A segment in which samples are missing gives a Part for each stretch between the gaps, so
        that no window reaches across one, and filters start again after it.

        Args:
            label: of those to return; None for all.

        Raises:
            ConfigError: as in segments().
            StorageError: a file cannot be read.
        """
        return [part for own in self.segments(label) for part in own.recordings()]

    def labelled(
        self, classes: Sequence[str] | None = None, segments: Sequence[Segment] | None = None
    ) -> tuple[list[Path | Part], list[int]]:
        """Return recordings, and the number of the class of each, for dataset() and test_data.

        Args:
            classes: labels in the order of the model's outputs; by default, all by name.
            segments: those to return, like a side of split(); by default, all of these classes.

        Raises:
            ConfigError: as in segments(), or a label has no segments.
            StorageError: a file cannot be read.
        """
        order = list(self.labels() if classes is None else classes)
        own = [one for label in order for one in self.segments(label)]
        if segments is not None:
            own = [one for one in segments if one.label in order]
        found = [(part, order.index(one.label)) for one in own for part in one.recordings()]
        return [part for part, _ in found], [number for _, number in found]

    def strangers(self) -> list[Path]:
        """Return the WAV files that are not segments, because they have no description."""
        return [path for path, ours in self._files() if not ours]

    def _files(self) -> Iterator[tuple[Path, bool]]:
        """Yield every WAV file, and whether it is a segment.

        One that was killed before its first sample is left out: repair() removes it.
        """
        for label in self.labels():
            for path in files_in(self.folder / label, ".wav"):
                said = described(path) if names.split_name(path.stem) else None
                if said is None or said.complete or _has_header(path):
                    yield path, said is not None

    def segment(self, name: str) -> Segment:
        """Return a segment by its name.

        Args:
            name: as in "wave/20260412-093000-1", or without the label; ".wav" may follow.

        Raises:
            ConfigError: there is none.
        """
        plain = str(name).removesuffix(".wav")
        found = [one for one in self.segments() if plain in (one.name, one.path.stem)]
        if len(found) == 1:
            return found[0]
        known = [one.name for one in self.segments()]
        raise ConfigError(
            f"{shown(self.folder)} has no recording {plain!r:.80}."
            if not found
            else f"{shown(self.folder)} has {len(found)} recordings {plain!r:.80}.",
            f"{did_you_mean(plain, known)}Pass a name that tflm-ext recordings lists, as in "
            "wave/20260412-093000-1.",
        )

    # ------------------------------------------------------------ what changes it

    def writer(
        self,
        label: str,
        sensor: Sensor,
        *,
        session: str | None = None,
        firmware: str = "",
        pipeline: str = "",
        who: str = "",
        when: str | None = None,
        note: str = "",
        event: Mapping[str, Any] | None = None,
        most_bytes: int = wave.MOST_BYTES,
    ) -> SegmentWriter:
        """Return a writer of a recording; the first one repairs what killed programs left.

        Args:
            label: class of the recording, a name of a folder.
            sensor: what gives the samples.
            session: recordings that belong together; one that exists is continued. By default, a
                new one with the time as its name.
            firmware, pipeline: SHA-256 of what runs on the device.
            who: the person who records, or who is recorded.
            when: time of the first sample, ISO 8601, "" if unknown; by default, now.
            note: what else is worth knowing.
            event: what the device reported, of a capture.
            most_bytes: samples of a segment before the next one begins.

        Raises:
            ConfigError: a name cannot be that of a file, or another program writes the session.
            StorageError: the folder cannot be written.
        """
        names.require_name("label", label)
        description = Description(
            sensor, firmware, pipeline, who=who, when=when or "", note=note, event=event
        )
        if not self._repaired:
            self.repair()
        self._require_one_case(label)
        session, lock = self._claimed(session)
        try:
            folder = self.folder / label
            folder.mkdir(parents=True, exist_ok=True)
            number = 1 + max(self._numbers(session), default=0)
        except OSError as error:
            lock.release()
            raise not_written(self.folder / label, error, "record again") from error
        except BaseException:
            lock.release()
            raise
        return SegmentWriter(
            folder, session, number, description, lock, now=when is None, most_bytes=most_bytes
        )

    def repair(self) -> tuple[Repaired, ...]:
        """Complete the files that a killed program left, and return what was done. Idempotent.

        Sessions that are being recorded are not touched.

        Raises:
            StorageError: a file cannot be read or written.
        """
        done = repair(self.folder)
        self._repaired = True
        return done

    def relabel(self, segment: Segment | str, label: str) -> Segment:
        """Move a segment to another label, and return it; its files are renamed, not written.

        Raises:
            ConfigError: there is no such segment, it is being recorded, or `label` cannot be the
                name of a folder.
            StorageError: the files cannot be renamed.
        """
        names.require_name("label", label)
        own = self.segment(segment) if isinstance(segment, str) else segment
        if own.path.parent.parent != self.folder:
            raise ConfigError(
                f"{own.name} is not a recording of {shown(self.folder)}.",
                "Pass one of Store.segments(), or its name.",
            )
        self._require_one_case(label)
        return Segment.open(relabel(self.folder, own.path, own.session, label))

    def _require_one_case(self, label: str) -> None:
        """Refuse a label that differs from another one only in case: some disks ignore it."""
        for known in (path.name for path in self._folders()):
            if known != label and known.casefold() == label.casefold():
                raise ConfigError(
                    f"The label {label!r} differs from {known!r} only in upper and lower case.",
                    f"Pass {known!r}, or another name.",
                )

    def _claimed(self, session: str | None) -> tuple[str, Lock]:
        """Return a session and its lock."""
        if session is not None:
            names.require_name("session", session)
            lock = Lock.take(self.folder, session)
            if lock is None:
                raise ConfigError(
                    f"Another program is recording the session {session!r} in "
                    f"{shown(self.folder)}.",
                    "Wait until it ends, or pass another session.",
                )
            return session, lock
        base = names.session_of(datetime.now(tz=UTC).astimezone())
        for suffix in ("", *_LETTERS):
            name = base + suffix
            lock = Lock.take(self.folder, name)
            if lock is not None:
                if not self._numbers(name):
                    return name, lock
                lock.release()
        raise ConfigError(
            f"More than {len(_LETTERS)} programs began to record in this second.",
            "Try again, or pass session=.",
        )

    def _numbers(self, session: str) -> list[int]:
        """Return the numbers of a session's segments, of all labels."""
        found = []
        for folder in folders_in(self.folder):
            for suffix in (".wav", ".json"):
                for path in files_in(folder, suffix):
                    name = names.split_name(path.stem)
                    if name is not None and name[0].casefold() == session.casefold():
                        found.append(name[1])
        return found


def _has_header(path: Path) -> bool:
    try:
        return path.stat().st_size >= wave.HEADER
    except OSError as error:
        raise not_read(shown(path), error) from error
