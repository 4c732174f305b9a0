"""test/test_sense/ of a generated project: a recording with what pipeline and model make of it."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.emit.escape import c_numbers
from tflm_ext.emit.render import render
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.signals import Pipeline
from tflm_ext.verify.golden_recording import GoldenRecording

SUITE = "test/test_sense"


@dataclass(frozen=True, slots=True)
class _TestView:
    """Variables of the templates."""

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


def sense_test_files(
    facts: ModelFacts, pipeline: Pipeline, golden: GoldenRecording
) -> tuple[RenderedFile, ...]:
    """Return the test of a pipeline, which runs in every environment.

    Args:
        facts: the model after it.
    """
    source = pipeline.source.spec
    rows = golden.decisions
    decides = pipeline.decide is not None
    view = _TestView(
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
        windows=len(golden.outputs),
        outputs=tuple(f"0x{crc:08X}U" for crc in golden.outputs),
        output_bytes=facts.outputs[0].bytes,
        scores=c_numbers([row[-1] for row in rows]) if rows else "",
        events=c_numbers([row[0] for row in rows]) if decides else "",
        labels=c_numbers([row[1] for row in rows]) if decides else "",
        decides=decides,
    )
    return (
        RenderedFile.text(f"{SUITE}/test_sense.cpp", render("test/test_sense.cpp.j2", view)),
        RenderedFile.text(
            f"{SUITE}/golden_recording.h", render("test/golden_recording.h.j2", view)
        ),
        RenderedFile.text(
            f"{SUITE}/golden_recording.c", render("test/golden_recording.c.j2", view)
        ),
    )
