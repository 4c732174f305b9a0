"""Records the sensor of a device into a store of recordings, and listens to its events."""

from __future__ import annotations

import json
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.device import Device
from tflm_ext.device.streaming import Part, SampleStream, StreamLost
from tflm_ext.document import Count, Json, declared, entry
from tflm_ext.emit.sense import after_model
from tflm_ext.errors import ConfigError, ToolError
from tflm_ext.ir import DType
from tflm_ext.recheck import open_project
from tflm_ext.signals.spec import Form
from tflm_ext.signals.written import read_stage
from tflm_ext.store import SegmentWriter, Sensor, Store

_STREAMS = 255
_CLOCK = 1 << 32  # microseconds, after which the device's clock begins again
_WAIT_SECONDS = 0.5  # for the next byte
_SILENT_SECONDS = 10.0  # without a sample, before recording ends


@declared("collected", "Output of `tflm-ext collect`.")
@dataclass(frozen=True, slots=True)
class Collected:
    """A recording of a device's sensor.

    Attributes:
        paths: of its WAV files.
        samples: of each channel.
        seconds: that they last.
        missing: samples that were lost; the store knows where.
    """

    paths: tuple[str, ...] = entry("WAV files, each with a JSON next to it.")
    samples: Count = entry("Of each channel.")
    seconds: float = entry("That these last.")
    missing: Count = entry("Samples that were lost; the JSON says where.")

    def __str__(self) -> str:
        lost = f", {self.missing:,} samples are missing" if self.missing else ""
        return f"{self.seconds:,.1f} s in {', '.join(self.paths)}{lost}"


def collect(
    folder: str | os.PathLike[str],
    label: str,
    device: Device,
    *,
    seconds: float,
    session: str | None = None,
    who: str = "",
    progress: Callable[[float, int], None] = lambda seconds, missing: None,
) -> Collected:
    """Record what the sensor of a device gives.

    What has arrived is in the files, also if the program is killed.

    Args:
        folder: of the store; created if needed.
        label: class of the recording.
        device: with firmware that was exported with capture_seconds.
        seconds: of signal, without what is missing.
        session, who: as in Store.writer().
        progress: called with the seconds and the missing samples so far.

    Raises:
        ConfigError: the firmware sends no samples, or a name is not valid.
        ToolError: the connection was lost, the device started again, or its sensor is silent.
        StorageError: the folder cannot be written.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConfigError(f"seconds={seconds!r} is not a duration.", "Pass more than 0.")
    sensor = _sensor(device)
    info = device.info()
    stream = SampleStream(device, 1 + secrets.randbelow(_STREAMS))
    store = Store(folder)
    wanted = math.ceil(seconds * sensor.rate)
    with store.writer(
        label, sensor, session=session, firmware=info.sha256, pipeline=info.pipeline, who=who
    ) as writer:
        try:
            missing = _record(stream, writer, sensor, wanted, progress)
        except StreamLost as error:
            raise ToolError(
                "The device has started again, so its stream has ended.",
                "Record again; what arrived before is in the folder.",
            ) from error
        except ToolError as error:
            raise ToolError(
                error.problem, f"{error.hint} What arrived before is in the folder."
            ) from error
    paths = tuple(Path(path).as_posix() for path in writer.paths)
    return Collected(paths, writer.samples, writer.samples / float(sensor.rate), missing)


def _sensor(device: Device) -> Sensor:
    """Return the sensor of a device, as its firmware describes it. What it says is untrusted."""
    if not device.info().item_bytes:
        raise ConfigError(
            "The firmware does not send samples.",
            "Export the project with capture_seconds= (--capture-seconds), and upload its "
            "firmware.",
        )
    try:
        given: Json = json.loads(device.source())
    except (ValueError, RecursionError) as error:
        raise ToolError(
            "The device's description of its source is damaged.", "Upload its firmware again."
        ) from error
    source = read_stage(given)
    spec = getattr(source, "spec", None)
    if spec is None or spec.form is not Form.STREAM or spec.dtype is not DType.INT16:
        raise ConfigError(
            "The source of the device gives no int16 samples, so they cannot be recorded.",
            "Collect images with a camera, and pass them as files.",
        )
    if device.info().item_bytes != 2 * spec.channels:
        raise ToolError(
            "The device's samples do not have the size that its source says.",
            "Upload its firmware again.",
        )
    return Sensor.of(source)


def _record(
    stream: SampleStream,
    writer: SegmentWriter,
    sensor: Sensor,
    wanted: int,
    progress: Callable[[float, int], None],
) -> int:
    """Write samples until there are enough, and return how many are missing."""
    items = _Items(2 * sensor.channels)
    stream.start()
    missing, heard = 0, time.monotonic()
    while writer.samples < wanted:
        parts = stream.read(_WAIT_SECONDS)
        if parts:
            heard = time.monotonic()
        elif time.monotonic() - heard > _SILENT_SECONDS:
            raise ToolError(
                f"The device has sent no sample for {_SILENT_SECONDS:g} s.",
                "Check that its app.cpp starts the sensor.",
            )
        missing += _write(parts, items, writer, sensor, wanted)
        progress(writer.samples / float(sensor.rate), missing)
    missing += _write(stream.stop(), items, writer, sensor, wanted)
    return missing


def _write(
    parts: tuple[Part, ...], items: _Items, writer: SegmentWriter, sensor: Sensor, wanted: int
) -> int:
    """Write whole samples, with the time of the first of each block; returns how many are lost."""
    missing = 0
    for part in parts:
        for block, lost in items.take(part):
            if lost and writer.samples < wanted:
                writer.gap(lost)
                missing += lost
            before = round((len(block) - 1) * 1_000_000 / sensor.rate)
            writer.write(block[: wanted - writer.samples], time_us=(part.time_us - before) % _CLOCK)
    return missing


class _Items:
    """Whole samples of all channels from parts that begin and end anywhere.

    Args:
        size: bytes of a sample of all channels.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._bytes = b""  # of a sample that is not complete
        self._at = 0  # bytes since the stream began, which begins with a whole sample
        self._lost = 0  # samples, up to this place

    def take(self, part: Part) -> Iterator[tuple[np.ndarray[Any, Any], int]]:
        """Yield samples, (samples, channels), each with the number of those lost before them."""
        if part.missing:
            first = (self._at - len(self._bytes)) // self._size
            self._at += part.missing
            last = -(-self._at // self._size)  # the first sample whose beginning is not lost
            self._bytes = b""
            yield np.zeros((0, self._size // 2), np.int16), max(last - max(first, self._lost), 0)
            self._lost = last
            return
        skipped = min(max(self._lost * self._size - self._at, 0), len(part.data))
        self._at += len(part.data)
        self._bytes += part.data[skipped:]
        end = len(self._bytes) - len(self._bytes) % self._size
        block, self._bytes = self._bytes[:end], self._bytes[end:]
        yield np.frombuffer(block, "<i2").reshape(-1, self._size // 2), 0


@declared("heard", "Every line of `tflm-ext listen --json`.")
@dataclass(frozen=True, slots=True)
class Heard:
    """An event that a device has reported."""

    seconds: float = entry("Of signal, since the device started or was reset.")
    label: int = entry("Class; -1 for unknown.")
    name: str = entry("Label of the class; empty if it has none.")
    score: float = entry("What the decision compared, as a real value.")

    def __str__(self) -> str:
        return f"{self.seconds:10.3f} s  {self.name or self.label}  score {self.score:.4g}"


def listen(folder: Path, device: Device, seconds: float | None = None) -> Iterator[Heard]:
    """Yield the events of a device as they come.

    Args:
        folder: the project whose firmware it runs.
        device: is connected.
        seconds: how long; None for ever.

    Raises:
        ConfigError: the project has no decision, or the device runs something else.
        ToolError: the connection was lost.
    """
    opened = open_project(folder)
    pipeline, facts = opened.options.pipeline, opened.analysis.facts
    if pipeline is None or pipeline.decide is None:
        raise ConfigError(
            f"{folder} has no decision, so there are no events.", "Export it with decide=."
        )
    device.expect_pipeline(facts.name, facts.sha256, pipeline.sha256)
    scale, labels = after_model(facts, pipeline)[-1].out.scale, facts.labels
    end = math.inf if seconds is None else time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        device.listen(min(left, _WAIT_SECONDS))
        for own in device.events():
            name = labels[own.label] if 0 <= own.label < len(labels) else ""
            yield Heard(own.milliseconds / 1000, own.label, name, own.score * scale)
