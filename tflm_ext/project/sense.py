"""What a pipeline adds to a generated project: a recording with what becomes of it.

test/test_sense/ compares pipeline and model with it. Without a model, it is also the self-test of
the firmware, and what the Arduino example runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.emit.escape import c_numbers
from tflm_ext.emit.render import render
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.firmware import AppView, app_files, app_view, protocol_files
from tflm_ext.project.parts import Parts
from tflm_ext.project.sensors import Sensor
from tflm_ext.signals import Pipeline
from tflm_ext.verify.golden_recording import GoldenRecording

SUITE = "test/test_sense"


@dataclass(frozen=True, slots=True)
class _RecordingView:
    """Variables of the templates.

    Attributes:
        guard: of the header, if the tables are in it.
        values: samples of all channels, which alternate.
        outputs: CRC-32 for each window of the model's output; none without a model.
        scores, events, labels: one for each window, "" if there are none.
    """

    name: str
    upper: str
    library: str
    version: str
    command: str
    digest: str
    sample_type: str
    samples: int
    values: str
    size: int
    windows: int
    outputs: tuple[str, ...]
    output_bytes: int
    scores: str
    events: str
    labels: str
    decides: bool
    guard: str


@dataclass(frozen=True, slots=True)
class _ProgramView:
    """Variables of main.cpp and of the example, without a model."""

    name: str
    upper: str
    library: str
    version: str
    sha256: str
    decides: bool
    pipeline: AppView


def sense_test_files(
    facts: ModelFacts, pipeline: Pipeline, golden: GoldenRecording
) -> tuple[RenderedFile, ...]:
    """Return the test of a pipeline, which runs in every environment.

    Args:
        facts: the model after it.
    """
    view = _recording_view(facts, pipeline, golden)
    files = ("test_sense.cpp", "golden_recording.h", "golden_recording.c")
    return tuple(
        RenderedFile.text(f"{SUITE}/{file}", render(f"test/{file}.j2", view)) for file in files
    )


def sense_firmware_files(
    facts: ModelFacts,
    pipeline: Pipeline,
    golden: GoldenRecording,
    parts: Parts,
    sensor: Sensor | None = None,
    capture_seconds: float = 0.0,
) -> tuple[RenderedFile, ...]:
    """Return src/ of a project without a model; see firmware_files()."""
    program = _program_view(facts, pipeline, sensor, capture_seconds)
    main = render(parts.template("main.cpp.j2"), program)
    view = _recording_view(facts, pipeline, golden, f"{facts.upper}_GOLDEN_H")
    return (
        *app_files(program.pipeline),
        RenderedFile.text("src/main.cpp", main),
        *protocol_files(program.pipeline),
        RenderedFile.text("src/golden.h", render("apps/recording.h.j2", view)),
    )


def sense_example(
    facts: ModelFacts, pipeline: Pipeline, golden: GoldenRecording, parts: Parts
) -> tuple[RenderedFile, ...]:
    """Return the sketch of a library without a model, and its sample.h."""
    sketch = render(parts.template("example.ino.j2"), _program_view(facts, pipeline))
    view = _recording_view(facts, pipeline, golden, "SAMPLE_H")
    return (
        RenderedFile.text(f"{facts.library}.ino", sketch),
        RenderedFile.text("sample.h", render("apps/recording.h.j2", view)),
    )


def _program_view(
    facts: ModelFacts,
    pipeline: Pipeline,
    sensor: Sensor | None = None,
    capture_seconds: float = 0.0,
) -> _ProgramView:
    return _ProgramView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        sha256=facts.sha256,
        decides=pipeline.decide is not None,
        pipeline=app_view(facts, pipeline, sensor, capture_seconds),
    )


def _recording_view(
    facts: ModelFacts, pipeline: Pipeline, golden: GoldenRecording, guard: str = ""
) -> _RecordingView:
    source = pipeline.source.spec
    rows = golden.decisions
    decides = pipeline.decide is not None
    return _RecordingView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        command=facts.command,
        digest=pipeline.sha256,
        sample_type=source.dtype.c,
        samples=len(golden.samples),
        values=c_numbers(golden.samples.reshape(-1).tolist()),
        size=source.size,
        windows=golden.windows,
        outputs=tuple(f"0x{crc:08X}U" for crc in golden.outputs),
        output_bytes=facts.outputs[0].bytes if facts.outputs else 0,
        scores=c_numbers([row[-1] for row in rows]) if rows else "",
        events=c_numbers([row[0] for row in rows]) if decides else "",
        labels=c_numbers([row[1] for row in rows]) if decides else "",
        decides=decides,
        guard=guard,
    )
