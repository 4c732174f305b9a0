"""Writes a session into a store, so that a kill loses only what was not written."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.described import Description, beside
from tflm_ext.signals.stage import Array
from tflm_ext.storage import not_written
from tflm_ext.store import wave
from tflm_ext.store.clock import Clock
from tflm_ext.store.files import replace_file
from tflm_ext.store.lock import Lock
from tflm_ext.store.names import joined, segment_name

_MOST_GAPS = 1000  # of a segment; the JSON is written again for each of them


class SegmentWriter:
    """Appends samples of a session; a context manager.

    Samples that write() returned from are in the file, also if the program is killed. A file that
    becomes too large, or has too many gaps, is followed by another segment.

    Attributes:
        label, session: of its files.
        paths: of the WAV files so far; the last one is being written.
        samples: of each channel that were written so far.
    """

    def __init__(
        self,
        folder: Path,
        session: str,
        number: int,
        description: Description,
        lock: Lock,
        *,
        now: bool = True,
        most_bytes: int = wave.MOST_BYTES,
    ) -> None:
        self.label, self.session = folder.name, session
        self.paths: list[Path] = []
        self.samples = 0
        self._folder, self._next, self._lock = folder, number, lock
        self._like, self._now = description, now
        self._frame = 2 * description.sensor.channels
        self._most = max(most_bytes // self._frame, 1)
        self._file = -1
        self._samples = 0
        self._gaps: list[tuple[int, int]] = []
        self._clock = Clock(description.sensor.rate)
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._end(f"ended by {kind.__name__}")

    # ------------------------------------------------------------ what users call

    def write(self, samples: Any, *, time_us: int | None = None) -> None:
        """Append samples.

        Args:
            samples: (samples, channels), integers of int16; (samples,) of one channel.
            time_us: time of the first of them by the device's clock, in microseconds; a counter of
                32 bits may begin again.

        Raises:
            ConfigError: they have another shape or type, or the writer is closed.
            StorageError: they cannot be written; what was written before remains.
        """
        self._require_open()
        block = self._checked(samples)
        if not len(block):
            return
        if time_us is not None:
            _require_time(time_us)
        self._begin()
        if self._samples == self._most:
            self._roll()
        if time_us is not None:
            self._clock.mark(self._samples, time_us)
        while len(block):
            if self._samples == self._most:
                self._roll()
            part = block[: self._most - self._samples]
            self._append(part.astype("<i2").tobytes())
            self._samples += len(part)
            self.samples += len(part)
            self._clock.count(len(part))
            block = block[len(part) :]

    def gap(self, count: int) -> None:
        """Say that samples are missing between those written so far and the next ones.

        Args:
            count: how many of each channel.

        Raises:
            ConfigError: it is not positive, or the writer is closed.
            StorageError: the JSON cannot be written.
        """
        self._require_open()
        if not isinstance(count, int) or isinstance(count, bool) or not 0 < count < 2**40:
            raise ConfigError(f"gap({count!r:.40}) is not a number of samples.", "Pass 1 or more.")
        self._begin()
        if self._gaps and self._gaps[-1][0] == self._samples:
            self._gaps[-1] = (self._samples, self._gaps[-1][1] + count)
        else:
            if len(self._gaps) == _MOST_GAPS:
                self._roll()
            self._gaps.append((self._samples, count))
        self._clock.count(count)
        self._describe()

    def close(self) -> None:
        """Complete the last segment, and let others write the session. Idempotent.

        Raises:
            StorageError: its sizes cannot be written; `tflm-ext recordings DIR --repair` does.
        """
        self._end("")

    # ------------------------------------------------------------ files

    def _require_open(self) -> None:
        if self._closed:
            raise ConfigError(
                f"The recording of {self.label}, session {self.session}, is closed.",
                "Open another one with Store.writer().",
            )

    def _checked(self, samples: Any) -> Array:
        channels = self._frame // 2
        array = np.asarray(samples)
        if array.ndim == 1 and channels == 1:
            array = array[:, np.newaxis]
        if array.ndim != 2 or array.shape[1] != channels or array.dtype.kind not in "iu":
            raise ConfigError(
                f"The samples are a {array.dtype} array of the shape {array.shape}.",
                f"Pass integers of the shape (samples, {channels}).",
            )
        if len(array) and not (-(2**15) <= array.min() and array.max() < 2**15):
            raise ConfigError(
                "The samples are not int16: a value is not from -32,768 to 32,767.",
                "Divide all of them by the same power of two, and change the sensor's scale.",
            )
        return array

    def _begin(self) -> None:
        """Begin a segment, unless one is being written: first its JSON, then its WAV file."""
        if self._file >= 0:
            return
        try:
            # Another writer of this label may have removed it, when it ended without a sample.
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise not_written(self._folder, error, "record again") from error
        path = self._folder / f"{segment_name(self.session, self._next)}.wav"
        if self._now:
            when = datetime.now(tz=UTC).astimezone().isoformat(timespec="seconds")
            self._like = replace(self._like, when=when)
        self._samples, self._gaps = 0, []
        self._clock = self._clock.restarted()
        self.paths.append(path)
        self._next += 1
        self._describe()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o644)
        except OSError as error:
            raise not_written(path, error, "record again") from error
        sensor = self._like.sensor
        self._append(wave.header(sensor.channels, sensor.rate, None))

    def _append(self, data: bytes) -> None:
        """Write bytes, all of them or none."""
        at = 0
        try:
            before = os.lseek(self._file, 0, os.SEEK_CUR)
            try:
                while at < len(data):
                    at += os.write(self._file, data[at:])
            except OSError:
                os.ftruncate(self._file, before)
                os.lseek(self._file, before, os.SEEK_SET)
                raise
        except OSError as error:
            raise not_written(self.paths[-1], error, "record again") from error

    def _describe(self, *, complete: bool = False, note: str = "") -> None:
        """Write the JSON as it is now."""
        found = replace(
            self._like,
            gaps=tuple(self._gaps),
            clock=tuple(mark for mark in self._clock.marks if mark[0] < self._samples),
            jitter_us=self._clock.jitter_us,
            complete=complete,
            note=joined(self._like.note, note) if note else self._like.note,
        )
        path = beside(self.paths[-1])
        try:
            replace_file(path, found.to_text().encode(), durable=complete)
        except OSError as error:
            raise not_written(path, error, "record again") from error

    def _roll(self) -> None:
        """Complete this segment, and begin the next one."""
        self._finish("")
        self._begin()

    def _finish(self, note: str) -> None:
        """Write sizes and JSON of this segment."""
        if self._file < 0:
            return
        path, file, self._file = self.paths[-1], self._file, -1
        try:
            if not self._samples:
                path.unlink()
                beside(path).unlink()
                self.paths.pop()
                return
            sensor = self._like.sensor
            head = wave.header(sensor.channels, sensor.rate, self._samples * self._frame)
            os.ftruncate(file, wave.HEADER + self._samples * self._frame)
            os.pwrite(file, head, 0)
            os.fsync(file)
        except OSError as error:
            raise not_written(path, error, "run tflm-ext recordings --repair") from error
        finally:
            os.close(file)
        self._describe(complete=not note, note=note)

    def _end(self, note: str) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._finish(note)
            with suppress(OSError):  # that of a folder with files
                self._folder.rmdir()
        finally:
            self._lock.release()


def _require_time(time_us: object) -> None:
    whole = isinstance(time_us, int) and not isinstance(time_us, bool)
    if not whole or not 0 <= time_us < 2**62:  # type: ignore[operator]
        raise ConfigError(
            f"time_us={time_us!r:.40} is not a time in microseconds.", "Pass an integer from 0."
        )
