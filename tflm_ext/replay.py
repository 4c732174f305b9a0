"""Runs recordings through the C of an exported project, and draws what happened."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.bench.pipeline_on_core import check_on_core
from tflm_ext.device import Device
from tflm_ext.document import Count, declared, entry, to_json
from tflm_ext.emit.escape import printable
from tflm_ext.emit.sense import after_model
from tflm_ext.errors import ConfigError, VerificationError
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.pictures import draw, legend_above
from tflm_ext.project.pio import upload_command
from tflm_ext.recheck import Opened, open_project
from tflm_ext.signals import Pipeline
from tflm_ext.verify.compare import arena_for
from tflm_ext.verify.sense import ModelRun, SenseCheck, check_sense

Array: TypeAlias = np.ndarray[Any, Any]

NATIVE = "native"
_MOST_EVENTS = 20  # in a text
_MOST_NAMED = 12  # in the legend of a picture


@dataclass(frozen=True, slots=True)
class Event:
    """An event that the decision found."""

    window: Count = entry("Number of the window, from 0.")
    seconds: float = entry("When the window ends.")
    label: int = entry("Class; -1 for unknown.")
    name: str = entry("Label of the class; empty if it has none.")
    score: float = entry("What the decision compared, as a real value.")


@declared("replay", "Output of `tflm-ext replay`.")
@dataclass(frozen=True)
class Replay:
    """A recording that ran through a pipeline in C, with the same bytes as NumPy.

    Attributes:
        environment: "native", or that of an emulated core.
        port: of a board that found the same events; "" without one.
        duration: of the recording, in seconds.
        windows: that the model or the score has seen.
        compared_bytes: of all stages.
        events: in order.
        times: (windows,), when each window ends, in seconds.
        scores: (windows,), what the decision compared, or the score; real values. Empty without.
        outputs: (windows, size), what the model gave; real values. Empty without a model.
        thresholds: of the decision; real values.
        labels: names of the classes.
    """

    environment: str = entry("native, or that of an emulated core.")
    duration: float = entry("Of the recording, in seconds.")
    windows: Count = entry("Windows that the model or the score has seen.")
    compared_bytes: Count = entry("Bytes of all stages that were equal in C and NumPy.")
    events: tuple[Event, ...] = entry("In order.")
    port: str = entry("Serial port of a board with the same events; empty without.", default="")
    times: Array = field(compare=False, repr=False, kw_only=True)
    scores: Array = field(compare=False, repr=False, kw_only=True)
    outputs: Array = field(compare=False, repr=False, kw_only=True)
    thresholds: tuple[float, ...] = field(default=(), kw_only=True)
    labels: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def scored(self) -> bool:
        """Whether there is one score, and not one output of the model for each class."""
        classes = bool(self.labels) and self.outputs.shape[1:] == (len(self.labels),)
        return len(self.scores) > 0 and not classes

    def to_dict(self) -> dict[str, Any]:
        """Return its part of report.schema.json."""
        return to_json(Replay, self)

    def __str__(self) -> str:
        """The events, at most 20, and what was compared."""
        lines = [
            f"{own.seconds:10.3f} s  {printable(own.name) or own.label}  score {own.score:.4g}"
            for own in self.events[:_MOST_EVENTS]
        ]
        if len(self.events) > _MOST_EVENTS:
            lines.append(f"and {len(self.events) - _MOST_EVENTS:,} more, in events")
        lines.append(
            f"events: {len(self.events):,} in {self.duration:,.3f} s, {self.windows:,} windows; "
            f"C on {self.environment} equals NumPy in {self.compared_bytes:,} bytes"
        )
        if self.port:
            lines.append(f"The board at {self.port} found the same events.")
        return "\n".join(lines)

    def picture(self, path: str | os.PathLike[str]) -> Path:
        """Draw score, thresholds and events, or the model's outputs, and return the path.

        Args:
            path: a .png, .svg or .pdf file.

        Raises:
            ConfigError: the file has another ending.
            ToolError: matplotlib is not installed.
            StorageError: the file cannot be written.
        """
        return draw(path, lambda axes: _draw(axes, self))


def _draw(axes: Any, replay: Replay) -> None:
    if replay.scored:
        axes.plot(replay.times, replay.scores, linewidth=0.8, label="score")
    else:
        for number, values in enumerate(replay.outputs.T):
            name = replay.labels[number] if number < len(replay.labels) else f"output {number}"
            axes.plot(replay.times, values, linewidth=0.8, label=name)
    names = ("on", "off")
    for name, threshold in zip(names, replay.thresholds, strict=False):
        axes.axhline(threshold, linestyle="--", linewidth=0.8, color="gray")
        axes.annotate(name, (0, threshold), xycoords=("axes fraction", "data"), fontsize=8)
    for event in replay.events:
        axes.axvline(event.seconds, color="black", linewidth=0.8)
        above = {"xycoords": ("data", "axes fraction"), "va": "top", "rotation": 90}
        axes.annotate(f" {event.name}", (event.seconds, 0.98), fontsize=8, **above)
    if replay.events:
        axes.plot([], [], color="black", linewidth=0.8, label="event")
    axes.set_xlabel("seconds")
    axes.set_xlim(0, max(replay.duration, 1e-9))
    if replay.scored or len(replay.outputs.T) <= _MOST_NAMED:
        legend_above(axes)


def replay_project(folder: Path, recording: Any, environment: str = NATIVE) -> Replay:
    """Run a recording through a project's pipeline, and compare every stage with NumPy.

    Args:
        folder: an exported project.
        recording: an array of samples, or the path of a WAV, CSV or .npy file.
        environment: "native", or that of an emulated core, like "cortex_m4".

    Raises:
        ConfigError: the project has no pipeline or no such environment, or the recording does not
            fit.
        VerificationError: C and NumPy differ; names the first stage that does.
        ToolError: a compiler or the emulator is missing or failed.
    """
    opened, pipeline, samples = _opened(folder, recording)
    check = _check(opened, pipeline, samples, environment)
    return _replay(opened, pipeline, samples, check, environment=environment)


def _opened(folder: Path, recording: Any) -> tuple[Opened, Pipeline, Array]:
    """Return a project, its pipeline and samples of its source."""
    opened = open_project(folder)
    pipeline = opened.options.pipeline
    if pipeline is None:
        raise ConfigError(
            f"{folder} has no pipeline, so there is nothing to replay.",
            "Export the model with pipeline=.",
        )
    return opened, pipeline, pipeline.recording(recording)


def replay_port(
    folder: Path,
    recording: Any,
    port: str,
    environment: str = NATIVE,
    progress: Callable[[str], None] = lambda text: None,
) -> Replay:
    """Send a recording to a device in the place of its sensor, and compare the events with NumPy.

    Args:
        folder, recording, environment: as in replay_project(), whose comparison comes first.
        port: the serial port of a board that runs the project's firmware.

    Raises:
        ConfigError: as in replay_project(); or the device runs another model or pipeline.
        VerificationError: the device found other events; or as in replay_project().
        ToolError: the port cannot be used; or as in replay_project().
    """
    opened, pipeline, samples = _opened(folder, recording)
    check = _check(opened, pipeline, samples, environment)
    facts = opened.analysis.facts
    upload = upload_command(folder, opened.options.board)
    with Device.on_port(port, upload=upload) as device:
        device.expect_pipeline(facts.name, facts.sha256, pipeline.sha256)
        data = np.ascontiguousarray(samples).tobytes()
        found = device.replay(data, lambda at: progress(f"{at:,} of {len(data):,} bytes"))
    rows = check.after[0][-1] if pipeline.decide is not None else np.zeros((0, 3), np.int32)
    expected = [tuple(row[1:]) for row in rows.tolist() if row[0]]
    got = [(event.label, event.score) for event in found]
    if got != expected:
        at = next(
            (i for i, pair in enumerate(zip(got, expected, strict=False)) if len({*pair}) > 1),
            min(len(got), len(expected)),
        )
        raise VerificationError(
            f"{facts.name} on {port} found {len(got)} events and NumPy {len(expected)}; event {at} "
            f"is {_pair(got, at)} instead of {_pair(expected, at)} (label, score).",
            "Run tflm-ext replay without --port to see whether the project's files are right.",
            index=at,
        )
    return _replay(opened, pipeline, samples, check, environment=environment, port=port)


def _pair(events: Sequence[tuple[int, ...]], at: int) -> str:
    return str(events[at]) if at < len(events) else "missing"


def _check(opened: Opened, pipeline: Pipeline, samples: Array, environment: str) -> SenseCheck:
    """Run the project's C in an environment, and compare it with NumPy."""
    if not opened.options.runtime.own_code:
        raise ConfigError(
            "The model of this project runs in TensorFlow Lite Micro, which cannot be replayed.",
            'Export it with runtime="compiled".',
        )
    analysis, board = opened.analysis, opened.options.board
    sources: Sequence[RenderedFile] = opened.exported.sources()
    graph = analysis.graph
    model = ModelRun(analysis.model, arena_for(graph)) if graph.outputs else None
    if environment == NATIVE:
        return check_sense(analysis.facts, sources, pipeline, [samples], model=model)
    if environment != board.core.environment:
        raise ConfigError(
            f"The project has no environment {environment!r:.40} for replays.",
            f"Pass {NATIVE} or {board.core.environment}.",
        )
    return check_on_core(analysis.facts, sources, pipeline, [samples], board, model=model)


def _replay(
    opened: Opened,
    pipeline: Pipeline,
    samples: Array,
    check: SenseCheck,
    *,
    environment: str,
    port: str = "",
) -> Replay:
    facts = opened.analysis.facts
    labels, raw = facts.labels, check.outputs[0] if check.outputs else np.zeros((0, 0))
    own = facts.outputs[0].quantization if facts.outputs else None
    outputs = raw.astype(float) if own is None else (raw.astype(float) - own.zero_point) * own.scale
    after = check.after[0]
    windows = len(after[-1]) if after else len(raw)
    times = pipeline.window_ends(windows)
    scores, events = np.zeros(0), []
    thresholds: tuple[float, ...] = ()
    if after:
        blocks = after_model(facts, pipeline)
        scale = (blocks[-1].out if blocks else pipeline.out).scale
        scores = after[-1][:, -1] * scale
    if pipeline.decide is not None:
        found = (getattr(pipeline.decide, name, None) for name in ("on", "off"))
        thresholds = tuple(float(value) for value in found if value is not None)
        for window in np.flatnonzero(after[-1][:, 0]):
            label = int(after[-1][window, 1])
            name = labels[label] if 0 <= label < len(labels) else ""
            events.append(
                Event(int(window), float(times[window]), label, name, float(scores[window]))
            )
    return Replay(
        environment=environment,
        port=port,
        duration=float(len(samples) / pipeline.source.spec.rate),
        windows=windows,
        compared_bytes=check.bytes,
        events=tuple(events),
        times=times,
        scores=scores,
        outputs=outputs,
        thresholds=thresholds,
        labels=labels,
    )
