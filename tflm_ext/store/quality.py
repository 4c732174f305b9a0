"""What is wrong with recordings, before a model is trained with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflm_ext.document import Count, declared, entry, to_json
from tflm_ext.ir import DType
from tflm_ext.signals.bound import run_last
from tflm_ext.signals.pipeline import Pipeline
from tflm_ext.signals.sources import FULL_SCALE
from tflm_ext.signals.stage import Array
from tflm_ext.store.duplicates import Duplicate, duplicates
from tflm_ext.store.folder import Store
from tflm_ext.store.segment import Segment

_CLIPPED = 0.001
"""Share of samples at the end of the range from which on a recording is clipped."""
_SATURATED = 0.01
"""Share of features outside the calibrated range that is worth a remark."""
_RATE = 0.02
"""By how much the clock may differ from the rate: a resampler makes up for less."""
_BALANCE = 4.0
"""How many times as long as the shortest class the longest one may be."""


@dataclass(frozen=True)
class SegmentQuality:
    """What was measured in a segment."""

    name: str = entry('Label and name of the file, like "wave/20260412-093000-1".')
    label: str = entry("Its class.")
    duration: float = entry("Length in seconds, without what is missing.")
    rate: float = entry("Samples of each channel per second.")
    gaps: Count = entry("Places at which samples are missing.")
    missing: Count = entry("Samples of each channel that are missing.")
    clipped: float = entry("Share of samples at an end of the range, of the worst channel.")
    dead: tuple[str, ...] = entry("Channels whose value never changes.")
    jitter_ms: float = entry("Largest irregularity of the device's clock, in milliseconds.")
    clock_rate: float | None = entry("Samples per second by that clock; null if not known.")
    complete: bool = entry("Whether it was closed as it should be.")
    saturated: float | None = entry(
        "Share of features at an end of the calibrated range; null without a pipeline."
    )
    remarks: tuple[str, ...] = entry("What is wrong, in words.")


@dataclass(frozen=True)
class ClassQuality:
    """How much there is of a class."""

    label: str = entry("Its name.")
    segments: Count = entry("Files.")
    sessions: Count = entry("Sessions from which they come.")
    duration: float = entry("Their length in seconds.")


@declared("recordings", "Output of `tflm-ext recordings`.")
@dataclass(frozen=True)
class Quality:
    """What is in a store, and what is wrong with it.

    print() shows it as a table.
    """

    segments: tuple[SegmentQuality, ...] = entry("Every segment, by name.")
    classes: tuple[ClassQuality, ...] = entry("Every class, by name.")
    duplicates: tuple[Duplicate, ...] = entry("Places with the same samples.")
    remarks: tuple[str, ...] = entry("What is wrong with the store as a whole, in words.")

    def to_dict(self) -> dict[str, Any]:
        """Return its part of report.schema.json."""
        return to_json(Quality, self)

    def __str__(self) -> str:
        """A row for each segment and class, and the remarks."""
        lines = []
        if self.segments:
            width = max(len("recording"), *(len(one.name) for one in self.segments))
            lines.append(
                f"{'recording':<{width}}  {'seconds':>9}  {'per s':>8}  {'gaps':>5}  clipped  "
                "  jitter"
            )
            lines += [
                f"{one.name:<{width}}  {one.duration:9.2f}  {one.rate:8.6g}  {one.gaps:5}  "
                f"{one.clipped:7.2%}  {one.jitter_ms:5.2f} ms"
                for one in self.segments
            ]
            lines.append("")
            width = max(len(one.label) for one in self.classes)
            lines += [
                f"{one.label:<{width}}  {one.duration:9.2f} s in "
                f"{_count(one.segments, 'recording')} of {_count(one.sessions, 'session')}"
                for one in self.classes
            ]
        remarks = [f"{one.name}: {text}" for one in self.segments for text in one.remarks]
        remarks += self.remarks
        lines += ["", *(f"warning: {text}" for text in remarks)] if remarks else []
        return "\n".join(lines) if lines else "There are no recordings."


def quality(
    store: Store,
    segments: Sequence[Segment] | None = None,
    pipeline: Pipeline | None = None,
) -> Quality:
    """Measure the segments of a store.

    Args:
        segments: those to measure; None for all. Duplicates are looked for in the whole store.
        pipeline: of a project, whose calibrated range the features are compared with.

    Raises:
        ConfigError: a description is damaged, or a segment does not fit the pipeline.
        StorageError: a file cannot be read.
    """
    everything = store.segments()
    chosen = everything if segments is None else tuple(segments)
    names = {one.name for one in chosen}
    twins = tuple(
        one for one in duplicates(everything) if one.first in names or one.second in names
    )
    classes = tuple(_classes(everything))
    strangers = len(store.strangers())
    remarks = [*_duplicated(twins), *_unbalanced(classes)]
    if strangers:
        remarks.append(
            f"{_count(strangers, 'WAV file')} without a description: import them with --import"
        )
    measured = tuple(measure(one, pipeline) for one in chosen)
    return Quality(measured, classes, twins, tuple(remarks))


def measure(segment: Segment, pipeline: Pipeline | None = None) -> SegmentQuality:
    """Measure a segment; see quality().

    Raises:
        ConfigError: it does not fit the pipeline.
        StorageError: it cannot be read.
    """
    samples = segment.read()
    said = segment.description
    dead: tuple[str, ...] = ()
    if len(samples) > 1:
        still = (samples == samples[0]).all(axis=0)
        dead = tuple(axis for axis, flat in zip(said.sensor.axes, still, strict=True) if flat)
    found = SegmentQuality(
        name=segment.name,
        label=segment.label,
        duration=segment.seconds,
        rate=float(said.sensor.rate),
        gaps=len(said.gaps),
        missing=segment.missing,
        clipped=_clipped(samples, pipeline),
        dead=dead,
        jitter_ms=said.jitter_us / 1000,
        clock_rate=_clock_rate(segment),
        complete=said.complete,
        saturated=None if pipeline is None else _saturated(segment, pipeline),
        remarks=(),
    )
    return _with_remarks(found, said.note)


def _clipped(samples: Array, pipeline: Pipeline | None) -> float:
    """Return the share of samples at an end of the range, of the channel that has most."""
    if not len(samples):
        return 0.0
    low, high = -FULL_SCALE, FULL_SCALE - 1
    limits = [(low, high)] * samples.shape[1]
    if pipeline is not None and len(pipeline.source.layout) == samples.shape[1]:
        limits = [(channel.low, channel.high) for channel in pipeline.source.layout]
    ends = np.array(limits)
    outside = (samples <= ends[:, 0]) | (samples >= ends[:, 1])
    return float(outside.mean(axis=0).max())


def _clock_rate(segment: Segment) -> float | None:
    """Return the samples per second by the device's clock."""
    clock = segment.description.clock
    if len(clock) < 2:
        return None
    (first, start), (last, end) = clock[0], clock[-1]
    missing = sum(count for at, count in segment.description.gaps if first < at <= last)
    return (last - first + missing) * 1e6 / (end - start) if end > start else None


def _saturated(segment: Segment, pipeline: Pipeline) -> float | None:
    """Return the share of int8 features, for the model or the score, at an end of their range."""
    int8 = [i for i, block in enumerate(pipeline.blocks) if block.out.dtype is DType.INT8]
    ends, total = 0, 0
    for part in segment.recordings():
        samples = pipeline.recording(part)
        if int8:
            found = run_last(pipeline.blocks[: int8[-1] + 1], samples)
            ends += int(((found == -128) | (found == 127)).sum())
            total += found.size
    return ends / total if total else None


def _with_remarks(found: SegmentQuality, note: str) -> SegmentQuality:
    values = {name: getattr(found, name) for name in SegmentQuality.__dataclass_fields__}
    return SegmentQuality(**(values | {"remarks": tuple(_remarks(found, note))}))


def _remarks(found: SegmentQuality, note: str) -> Iterator[str]:
    if found.clipped >= _CLIPPED:
        yield f"clipped: {found.clipped:.1%} of the samples are at an end of the range"
    if found.dead:
        axes = ", ".join(found.dead)
        yield f"dead: {axes} never {'changes' if len(found.dead) == 1 else 'change'}"
    if found.gaps:
        yield f"{_count(found.gaps, 'gap')}, {_count(found.missing, 'sample')} missing"
    if found.jitter_ms * found.rate > 1000:
        yield f"the clock jumps by {found.jitter_ms:.1f} ms, more than a sample"
    if found.clock_rate is not None and abs(found.clock_rate / found.rate - 1) > _RATE:
        yield f"{found.clock_rate:.5g} samples per second by the device's clock"
    if found.saturated is not None and found.saturated >= _SATURATED:
        yield f"{found.saturated:.1%} of the features are at an end of the calibrated range"
    if not found.complete:
        yield f"not complete{f': {note}' if note else ''}"


def _classes(segments: Sequence[Segment]) -> Iterator[ClassQuality]:
    for label in sorted({one.label for one in segments}):
        own = [one for one in segments if one.label == label]
        sessions = {one.session for one in own}
        yield ClassQuality(label, len(own), len(sessions), sum(one.seconds for one in own))


def _duplicated(found: Sequence[Duplicate]) -> Iterator[str]:
    for one in found:
        place = "itself" if one.first == one.second else one.second
        yield (
            f"{one.first} has {_count(one.samples, 'sample')} in common with {place}, from its "
            f"sample {one.first_sample:,} on"
        )


def _unbalanced(classes: Sequence[ClassQuality]) -> Iterator[str]:
    if not classes:
        return
    least, most = (pick(classes, key=lambda one: one.duration) for pick in (min, max))
    if most.duration > _BALANCE * least.duration:
        times = most.duration / least.duration if least.duration else float("inf")
        yield f"there is {times:.3g} times as much of {most.label} as of {least.label}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
