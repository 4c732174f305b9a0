"""Parts of recordings between the gaps in them: no window may reach across missing samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tflm_ext.errors import ConfigError
from tflm_ext.signals.described import Description, described, require_source
from tflm_ext.signals.recordings_wav import samples_in
from tflm_ext.signals.sources import Source
from tflm_ext.storage import shown


@dataclass(frozen=True)
class Part:
    """Samples of a WAV file, which are a recording like any other.

    Attributes:
        path: of the file.
        start, stop: number of the first sample, and of that after the last one.
    """

    path: Path
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{shown(self.path)}, samples {self.start:,} to {self.stop - 1:,}"


def parts_of(path: Path) -> list[Path | Part]:
    """Return the recordings in a file: itself, or the parts between gaps that its JSON tells.

    Raises:
        ConfigError: the file or its JSON is damaged.
        StorageError: it cannot be read.
    """
    found = described(path)
    inner = [] if found is None else [at for at, _ in found.gaps if at]
    if found is None or not inner:
        return [path]
    ranges = found.ranges(samples_in(path))
    return [path] if len(ranges) < 2 else [Part(path, start, stop) for start, stop in ranges]


def require_description(path: Path, source: Source, where: str, *, whole: bool) -> None:
    """Require that what the JSON next to a file says fits a source, if there is one.

    Args:
        where: name of the file, for messages.
        whole: whether all samples are read as one recording, which must not have gaps then.

    Raises:
        ConfigError: it does not, or it is damaged.
        StorageError: it cannot be read.
    """
    found = described(path)
    if found is None:
        return
    require_source(found, source, where)
    if whole and len(parts_of(path)) > 1:
        raise _torn(found, where)


def _torn(found: Description, where: str) -> ConfigError:
    inner = [gap for gap in found.gaps if gap[0]]
    at, count = inner[0]
    missing = "1 sample is" if count == 1 else f"{count:,} samples are"
    others = f", and there are {len(inner) - 1:,} more gaps" if len(inner) > 1 else ""
    return ConfigError(
        f"{where} has a gap: before its sample {at:,}, {missing} missing{others}.",
        "Pass Store(DIR).recordings(), or the folder, which give the parts between the gaps.",
    )
