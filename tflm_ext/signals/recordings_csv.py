"""CSV files as samples: columns by name or order, and a time column that is checked."""

from __future__ import annotations

import csv
import math
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals import recordings_bytes
from tflm_ext.signals.recordings_arrays import from_counts, from_real
from tflm_ext.signals.recordings_clock import Clock, check_clock
from tflm_ext.signals.sources import Channel, Source
from tflm_ext.signals.stage import Array

MOST_VALUES = 1 << 26
"""Numbers in the channels of a CSV; more than an hour of sound at 16,000 samples per second."""
_LONGEST_LINE = 1 << 16
_MOST_COLUMNS = 1000
_TIMES = ("time", "t", "timestamp", "times", "timestamps")
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs".casefold(): 1e-6,
    "ns": 1e-9,
}
_COUNTERS = {"millis": 1e-3, "micros": 1e-6}
_COUNTS = ("count", "counts", "raw", "lsb", "int16")
_UNITS = {
    "g": ("g",),
    "degrees per second": ("dps", "deg/s", "°/s", "degrees per second", "degrees/s"),
    "full scale": ("full scale", "fs"),
    "v": ("v", "volt", "volts"),
}
_UNIT = re.compile(r"(?P<name>[^(\[]*)[(\[](?P<unit>[^)\]]*)[)\]]\s*")
_HEADER = 'Begin the file with a line of names, as in "time,x,y,z".'


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the columns of a file are.

    Attributes:
        names: of all columns, for messages.
        picked: positions of the channels.
        counts: whether they have counts (True) or real values (False) by their units; None if
            none has a unit.
        time: position of the time column; None without one.
        tick: its unit in seconds.
    """

    names: tuple[str, ...]
    picked: tuple[int, ...]
    counts: bool | None
    time: int | None = None
    tick: float = 1.0


def read_csv(file: BinaryIO, source: Source, where: str, start: bytes = b"") -> Array:
    """Return the samples of a CSV.

    Columns are separated by commas, semicolons or tabs. If the first line has names, the channels
    are found by these, or else by their order; other columns are ignored if names tell. A unit may
    follow a name in brackets. Columns of "counts" hold counts of the source, and those of its unit
    real values. Without a unit, a file of whole numbers has counts, and one in which any number has
    a decimal point or an exponent has real values.

    A column "time", "t" or "timestamp" is in seconds, or in a unit that follows: "time_ms",
    "t [us]".

    Args:
        file: a file or a pipe.
        where: its name, for messages.
        start: bytes that were already read from it.

    Returns:
        (samples, channels) of the source's type.

    Raises:
        ConfigError: it has text, gaps or missing numbers, which are named by line; its columns
            are not the channels of the source; or its times do not fit the source's rate.
    """
    return _Reader(file, source, where, start).samples()


class _Reader:
    """Reads a CSV line by line, and keeps its numbers."""

    def __init__(self, file: BinaryIO, source: Source, where: str, start: bytes) -> None:
        self.source = source
        self.where = where
        self.values = array("d")
        self.times = array("d")
        self.lines = array("q")
        self.whole = True
        self.decimals = 0
        self._lines = _Lines(file, where, start)

    def samples(self) -> Array:
        first = next((line for line in self._lines if line.strip()), None)
        if first is None:
            raise ConfigError(f"{self.where} is empty.", "Pass a file with samples.")
        delimiter = next((mark for mark in "\t;" if mark in first), ",")
        rows = csv.reader(_chained(first, self._lines), delimiter=delimiter)
        columns = None
        try:
            for row in rows:
                if not row:
                    continue
                if columns is None:
                    names, header = _names(row)
                    columns = _columns(names, header, self.source, self.where)
                    if header:
                        continue
                self._add(row, columns, self._lines.number)
        except csv.Error as error:
            raise self._wrong(self._lines.number, f"it is not CSV: {error}") from error
        assert columns is not None  # the first line is not empty
        return self._converted(columns)

    def _add(self, row: list[str], columns: _Columns, line: int) -> None:
        """Keep the numbers of a line."""
        if len(row) != len(columns.names):
            raise self._wrong(
                line, f"it has {len(row)} columns, and the first line {len(columns.names)}"
            )
        cells = [row[i] for i in columns.picked]
        if columns.time is not None:
            cell = row[columns.time]
            self.times.append(self._number(cell, columns, columns.time, line) * columns.tick)
            self.lines.append(line)
            self.decimals = max(self.decimals, _decimals(cell))
        for position, cell in zip(columns.picked, cells, strict=True):
            self.values.append(self._number(cell, columns, position, line))
        if self.whole:
            self.whole = not any(map(_is_real, cells))
        if len(self.values) > MOST_VALUES:
            raise ConfigError(
                f"{self.where} has more than {MOST_VALUES:,} numbers.",
                "Split it into several recordings, or write it as WAV or .npy.",
            )

    def _number(self, cell: str, columns: _Columns, position: int, line: int) -> float:
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        # Python reads "1_000" and digits of other scripts as numbers, too.
        if math.isfinite(value) and cell.isascii() and "_" not in cell:
            return value
        name = columns.names[position]
        column = f"column {name!r:.40}" if name else f"column {position + 1}"
        if not cell.strip():
            raise self._wrong(line, f"a number is missing in {column}")
        remedy = "Write numbers with a decimal point." if "," in cell else ""
        if position == columns.time:
            remedy = "Write times as numbers, such as seconds since the first sample."
        raise self._wrong(line, f"{cell!r:.40} in {column} is not a number", remedy)

    def _wrong(self, line: int, why: str, remedy: str = "") -> ConfigError:
        return ConfigError(
            f"{self.where}, line {line:,}: {why}.",
            remedy or "Correct the line, or split the recording there if samples are missing.",
        )

    def _converted(self, columns: _Columns) -> Array:
        """Return the samples, after a look at the times."""
        values = np.array(self.values).reshape(-1, len(columns.picked))
        if columns.time is not None:
            clock = Clock(
                np.array(self.times),
                np.array(self.lines),
                10.0**-self.decimals * columns.tick,
                columns.names[columns.time],
            )
            check_clock(clock, self.source.spec.rate, self.where)
        if not (self.whole if columns.counts is None else columns.counts):
            return from_real(values, self.source.layout, self.where)
        if not np.array_equal(values, np.rint(values)):
            raise ConfigError(
                f"{self.where} has counts that are not whole numbers.",
                "Name the unit of real values in the header, as in x [g].",
            )
        return from_counts(values, self.source, self.where)


class _Lines(Iterator[str]):
    """The lines of a file, none of which may be very long.

    Attributes:
        number: of the last one, from 1 on.
    """

    def __init__(self, file: BinaryIO, where: str, start: bytes) -> None:
        self._file, self._where, self._start = file, where, start
        self.number = 0
        self._bytes = 0

    def __next__(self) -> str:
        line = self._readline()
        if not line:
            raise StopIteration
        self.number += 1
        self._bytes += len(line)
        if self._bytes > recordings_bytes.MOST_BYTES:
            raise recordings_bytes.too_long(self._where)
        if len(line) > _LONGEST_LINE:
            self._refuse(f"is longer than {_LONGEST_LINE:,} bytes")
        if b"\0" in line:
            self._refuse("has a null character; the file may be UTF-16, or not text")
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError:
            self._refuse("is not UTF-8 text")

    def _readline(self) -> bytes:
        """Return the next line, or as much of it as is too much."""
        head, mark, self._start = self._start.partition(b"\n")
        return head + mark if mark else head + self._file.readline(_LONGEST_LINE + 1)

    def _refuse(self, why: str) -> NoReturn:
        raise ConfigError(
            f"{self._where}, line {self.number:,} {why}.", "Save it as CSV with UTF-8 text."
        )


def _chained(first: str, others: Iterator[str]) -> Iterator[str]:
    yield first
    yield from others


def _is_real(cell: str) -> bool:
    """Whether a number is written with a decimal point or an exponent."""
    return "." in cell or "e" in cell or "E" in cell


def _decimals(cell: str) -> int:
    """Return the digits after the decimal point; many for numbers with an exponent."""
    if "e" in cell or "E" in cell:
        return 15
    _, point, digits = cell.strip().partition(".")
    return min(len(digits), 15) if point else 0


# ---------------------------------------------------------------- columns


def _names(row: list[str]) -> tuple[tuple[str, ...], bool]:
    """Return the names of columns, and whether the first line has them."""
    header = not any(map(_is_number, row))
    if not header:
        return ("",) * len(row), False
    row[0] = row[0].lstrip("#")  # as numpy.savetxt() begins the line
    return tuple(name.strip() for name in row), True


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _columns(names: tuple[str, ...], header: bool, source: Source, where: str) -> _Columns:
    """Return what the columns are.

    Raises:
        ConfigError: they are not those of the source.
    """
    if len(names) > _MOST_COLUMNS:
        raise ConfigError(f"{where} has {len(names):,} columns.", "Keep those of the source.")
    split = [_split(name) for name in names]
    ticks = [_tick(name, unit, where) for name, unit in split]
    times = [i for i, tick in enumerate(ticks) if tick]
    if len(times) > 1:
        raise ConfigError(
            f"{where} has {len(times)} columns with times: {_listed([names[i] for i in times])}.",
            "Keep one of them.",
        )
    picked = _by_name([name for name, _ in split], source.layout, where)
    if picked is None:
        picked = [i for i in range(len(names)) if i not in times]
        known = header and any(channel.names for channel in source.layout)
        if known or len(picked) != len(source.layout):
            raise _unfit([names[i] for i in picked], header, source, where)
    units = [split[i][1] for i in picked]
    counts = _counted(names, picked, units, source.layout, where)
    time = times[0] if times else None
    tick = 1.0 if time is None else ticks[time] or 1.0
    return _Columns(names, tuple(picked), counts, time, tick)


def _split(name: str) -> tuple[str, str | None]:
    """Return a name and its unit: "x [g]" -> "x", "g"."""
    match = _UNIT.fullmatch(name)
    return (name, None) if match is None else (match["name"].strip(), match["unit"].strip())


def _tick(name: str, unit: str | None, where: str) -> float | None:
    """Return the unit of a time column in seconds; None for another column.

    Raises:
        ConfigError: the unit is not known.
    """
    first, *others = re.split(r"[\s_-]+", name.casefold())
    if first in _COUNTERS and not others and unit is None:
        return _COUNTERS[first]
    if first not in _TIMES or len(others) > 1 or (others and unit is not None):
        return None
    given = others[0] if others else "s" if unit is None else unit.casefold()
    if given not in _SECONDS and (unit is not None or first != "t"):
        raise ConfigError(
            f"{where} has times in {given!r:.40}, by the name of their column.",
            f"Use one of these units: {', '.join(_SECONDS)}.",
        )
    return _SECONDS.get(given)


def _plain(name: str) -> str:
    """Return a name without case, spaces and punctuation."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _by_name(names: list[str], layout: Sequence[Channel], where: str) -> list[int] | None:
    """Return the position of each channel by its names; None if no name is known.

    Raises:
        ConfigError: only some of them are known, or one belongs to two columns.
    """
    plain = [_plain(name) for name in names]
    found = []
    for channel in layout:
        own = set(map(_plain, channel.names))
        found.append([i for i, name in enumerate(plain) if name in own])
    if not any(found):
        return None
    for channel, positions in zip(layout, found, strict=True):
        if len(positions) != 1:
            what = "no column" if not positions else f"{len(positions)} columns"
            raise ConfigError(
                f"{where} has {what} {channel.names[0]!r}, but has others of the source: "
                f"{_listed(names)}.",
                f"Give each channel one column: {_listed([own.names[0] for own in layout])}.",
            )
    return [positions[0] for positions in found]


def _counted(
    names: Sequence[str],
    picked: Sequence[int],
    units: Sequence[str | None],
    layout: Sequence[Channel],
    where: str,
) -> bool | None:
    """Return whether channels have counts by the units of their columns; None without units.

    Raises:
        ConfigError: a unit is not that of its channel, or some have counts and others do not.
    """
    found = set()
    for position, unit, channel in zip(picked, units, layout, strict=True):
        if unit is None:
            continue
        given, own = unit.casefold(), channel.unit.casefold()
        counts = given in _COUNTS
        if not counts and own and given not in _UNITS.get(own, (own,)):
            raise ConfigError(
                f"{where} has the column {names[position]!r:.60}; the source's unit is "
                f"{channel.unit}.",
                f"Convert its values to {channel.unit}, or to counts, and write that in brackets.",
            )
        found.add(counts)
    if len(found) > 1:
        raise ConfigError(
            f"{where} has columns with counts, and others with real values.",
            "Write all of them in the same way.",
        )
    return found.pop() if found else None


def _unfit(names: Sequence[str], header: bool, source: Source, where: str) -> ConfigError:
    wanted = [channel.names[0] for channel in source.layout if channel.names]
    count = len(source.layout)
    asked = "1 channel" if count == 1 else f"{count} channels"
    asked += f", {_listed(wanted)}" if wanted else ""
    if not header:
        plural = "column" if len(names) == 1 else "columns"
        return ConfigError(
            f"{where} has {len(names)} {plural} without names; the source has {asked}.", _HEADER
        )
    return ConfigError(
        f"{where} has the columns {_listed(names)}; the source has {asked}.",
        "Name the columns like the channels of the source."
        if wanted
        else "Keep the columns of these channels, and a time column if there is one.",
    )


def _listed(names: Sequence[Any]) -> str:
    """Return the first names, in quotes."""
    shown = ", ".join(f"{name!r:.40}" for name in names[:8])
    return f"{shown}, ..." if len(names) > 8 else shown
