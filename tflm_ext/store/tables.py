"""Recordings as CSV: a column with times in nanoseconds, and one with counts for each channel."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from tflm_ext.errors import ConfigError
from tflm_ext.signals.checks import rate
from tflm_ext.signals.described import Description, Sensor
from tflm_ext.signals.recordings import read_recording
from tflm_ext.signals.recordings_bytes import opened
from tflm_ext.signals.sources import Recording, Source
from tflm_ext.signals.stage import Array
from tflm_ext.storage import shown
from tflm_ext.store.incoming import Incoming, named_axes, rate_of

_TIME = "time_ns"
_COUNTS = " [counts]"
_LONGEST_LINE = 1 << 12
_MOST_CHANNELS = 16


def write_csv(samples: Array, description: Description) -> bytes:
    """Return samples without a gap as CSV."""
    sensor = description.sensor
    times = [round(i * 1_000_000_000 / sensor.rate) for i in range(len(samples))]
    # A comma or a quote in a name would begin another column.
    axes = [axis.replace(",", "_").replace('"', "_").replace(";", "_") for axis in sensor.axes]
    lines = [",".join([_TIME, *(axis + _COUNTS for axis in axes)])]
    lines += [
        f"{time},{','.join(map(str, row))}"
        for time, row in zip(times, samples.tolist(), strict=True)
    ]
    return "\n".join([*lines, ""]).encode("utf-8")


def read_table(path: Path, source: Source | None) -> Incoming:
    """Return the recording in a CSV.

    Args:
        source: of which it is a recording; None takes the rate from a column time_ns, and the
            other columns must have counts.

    Raises:
        ConfigError: it does not fit the source, or says neither rate nor scale.
        StorageError: it cannot be read.
    """
    if source is not None:
        return Incoming(read_recording(path, source), Description(Sensor.of(source)))
    axes, found = _facts(path)
    own = Recording(found, channels=len(axes))
    samples = read_recording(path, own)
    ones = (1.0,) * len(axes)
    sensor = Sensor("", found, named_axes(axes), ("",) * len(axes), ones, (0.0,) * len(axes))
    return Incoming(samples, Description(sensor))


def _facts(path: Path) -> tuple[list[str], Fraction]:
    """Return the names of the channels and the rate, as write_csv() wrote them."""
    where = shown(path)
    with opened(path) as file:
        names = _line(file, where).lstrip("\ufeff").split(",")
        if names[0] != _TIME or not all(name.endswith(_COUNTS) for name in names[1:]):
            raise _unknown(where)
        first, last, count = 0, 0, 0
        while line := _line(file, where):
            time = line.partition(",")[0]
            if not (time.isascii() and time.isdigit()) or len(time) > 18:
                raise _unknown(where)
            last = int(time)
            first = first if count else last
            count += 1
    axes = [name.removesuffix(_COUNTS) for name in names[1:]]
    if last <= first or not 1 <= len(axes) <= _MOST_CHANNELS:
        raise _unknown(where)
    # Both ends are rounded to nanoseconds.
    return axes, rate("rate", rate_of((count - 1) * 1e9 / (last - first), 1 / (last - first)))


def _line(file: BinaryIO, where: str) -> str:
    """Return the next line; "" at the end of the file."""
    line = file.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise _unknown(where)
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _unknown(where) from error


def _unknown(where: str) -> ConfigError:
    return ConfigError(
        f"{where} does not say its rate, or what its numbers are.",
        "Pass --check with an exported project or a pipeline's JSON, whose source tells.",
    )
