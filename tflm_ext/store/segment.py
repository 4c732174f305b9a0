"""A segment: a recording of a store, in one WAV file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.described import Description, described
from tflm_ext.signals.parts import Part, parts_of
from tflm_ext.signals.recordings_bytes import opened, read_up_to
from tflm_ext.signals.stage import Array
from tflm_ext.storage import shown
from tflm_ext.store import names, wave


@dataclass(frozen=True)
class Segment:
    """A WAV file of a store, and what the JSON next to it says.

    Attributes:
        path: of the WAV file.
        session, number: as in its name.
        description: sensor, gaps, clock and origin.
        samples: of each channel in the file; those that are missing are not counted.
    """

    path: Path
    session: str
    number: int
    description: Description
    samples: int

    @classmethod
    def open(cls, path: Path) -> Segment:
        """Return the segment of a WAV file.

        Raises:
            ConfigError: it has no description or another name, or another program changed it.
            StorageError: it cannot be read.
        """
        name = names.split_name(path.stem)
        found = described(path)
        if found is None or name is None or not names.is_name(path.parent.name):
            raise ConfigError(
                f"{shown(path)} is not a recording of a store: it needs a name like "
                "<label>/<session>-1.wav, and a JSON next to it.",
                "Import it: tflm-ext recordings DIR --import FILE --label LABEL.",
            )
        with opened(path) as file:
            head = file.read(wave.HEADER)
            size = os.fstat(file.fileno()).st_size
        channels = wave.channels_of(head)
        if channels != found.sensor.channels:
            raise ConfigError(
                f"{shown(path)} is not the file that its JSON describes, or another program "
                "changed it.",
                "Move it elsewhere and import it: tflm-ext recordings DIR --import FILE --label "
                "LABEL.",
            )
        bytes_ = min(size - wave.HEADER, wave.size_of(head))
        return cls(path, *name, found, bytes_ // (2 * channels))

    @property
    def label(self) -> str:
        """Name of its folder."""
        return self.path.parent.name

    @property
    def name(self) -> str:
        """Label and name of the file, like "wave/20260412-093000-1"."""
        return f"{self.label}/{self.path.stem}"

    @property
    def day(self) -> str:
        """The day of its first sample, like "2026-04-12"; "" if unknown."""
        return self.description.when[:10]

    @property
    def seconds(self) -> float:
        """Length of what was recorded, without what is missing."""
        return self.samples / float(self.description.sensor.rate)

    @property
    def missing(self) -> int:
        """Samples of each channel that are known to be missing."""
        return sum(count for _, count in self.description.gaps)

    def read(self) -> Array:
        """Return its samples: (samples, channels), int16.

        Raises:
            StorageError: it cannot be read.
        """
        channels = self.description.sensor.channels
        with opened(self.path) as file:
            file.read(wave.HEADER)
            data = read_up_to(file, self.samples * 2 * channels, shown(self.path))
        whole = len(data) - len(data) % (2 * channels)
        return np.frombuffer(memoryview(data)[:whole], "<i2").reshape(-1, channels).astype(np.int16)

    def pieces(self) -> list[Array]:
        """Return its samples between gaps, as read() does: no window may reach across a gap."""
        samples = self.read()
        return [samples[a:b] for a, b in self.description.ranges(len(samples))]

    def recordings(self) -> list[Path | Part]:
        """Return it as recordings of a pipeline: its file, or the parts between gaps in it.

        Raises:
            StorageError: it cannot be read.
        """
        return parts_of(self.path)
