"""README.md of a generated project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tflm_ext.emit.escape import markdown, plain
from tflm_ext.emit.ports import (
    PortView,
    formula,
    input_views,
    lifted_inputs,
    output_views,
    pointer_type,
    titled,
)
from tflm_ext.emit.render import render
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.plan.sizes import compiler
from tflm_ext.project.parts import Parts
from tflm_ext.report import Report
from tflm_ext.report.pipeline import delay_ms
from tflm_ext.signals.spec import Form
from tflm_ext.targets import Board, Core


@dataclass(frozen=True, slots=True)
class _PipelineView:
    """The pipeline before the model.

    Attributes:
        stages: what each gives.
        frames: on which C and NumPy were compared.
        unit: what arrives: "samples" or "pixels".
        decides: whether a step may find an event.
        context_bytes: RAM without the model's.
        ring_bytes: of these, samples that wait.
        delay_ms: from a cause to its event.
    """

    stages: tuple[tuple[str, str], ...]
    frames: str
    unit: str
    decides: bool
    context_bytes: str
    ring_bytes: str
    delay_ms: str


@dataclass(frozen=True, slots=True)
class _ReadmeView:
    name: str
    upper: str
    library: str
    version: str
    sha256: str
    command: str
    vectors: int
    weight_bytes: str
    code_bytes: str
    arena_bytes: str
    context_bytes: str
    macs: str
    compiler: str
    core: Core
    accuracy_rows: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    losses: tuple[str, ...]
    environment: str
    board_title: str
    inputs: tuple[PortView, ...]
    outputs: tuple[PortView, ...]
    output_type: str
    all_int8: bool
    ports: tuple[tuple[str, str, str], ...]
    labels: tuple[str, ...]
    lifted: str
    pipeline: _PipelineView | None
    for_board: bool
    self_contained: bool
    runtime: Any


def readme_files(report: Report, board: Board, parts: Parts) -> tuple[RenderedFile, ...]:
    """Return the README.md of a project, written from its report."""
    facts = report.facts
    view = _ReadmeView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        version=facts.version,
        sha256=facts.sha256,
        command=facts.command,
        vectors=report.vectors or 0,
        weight_bytes=f"{facts.weight_bytes:,}",
        code_bytes="" if report.code_bytes is None else f"{report.code_bytes:,}",
        arena_bytes=f"{facts.arena_bytes:,}",
        context_bytes=f"{report.ram_bytes:,}",
        macs=f"{facts.macs:,}",
        compiler=compiler(board.core),
        core=board.core,
        accuracy_rows=(*_score_rows(report), *_error_rows(report)),
        warnings=tuple(markdown(w) for w in report.warnings if w not in report.losses),
        losses=tuple(plain(loss, 600) for loss in report.losses),
        environment=board.environment,
        board_title=board.title,
        inputs=input_views(facts),
        outputs=output_views(facts),
        output_type=pointer_type(facts.outputs),
        all_int8=all(b.quantization for b in (*facts.inputs, *facts.outputs)),
        ports=tuple(
            (titled(b, f"{kind} {i}"), "x".join(map(str, b.shape)), formula(b))
            for kind, ports in (("input", facts.inputs), ("output", facts.outputs))
            for i, b in enumerate(ports)
        ),
        labels=tuple(_labels(report.facts)),
        lifted=markdown("; ".join(lifted_inputs(facts))),
        pipeline=_pipeline(report),
        for_board=parts.for_board,
        self_contained=parts.self_contained,
        runtime=parts.view,
    )
    return (RenderedFile.text("README.md", render(parts.template("README.md.j2"), view)),)


def _pipeline(report: Report) -> _PipelineView | None:
    if report.pipeline is None:
        return None
    pipeline = report.pipeline.pipeline
    source = (type(pipeline.source).__name__, str(pipeline.source.spec))
    blocks = [(type(b).__name__.removesuffix("Block"), str(b.out)) for b in pipeline.blocks]
    return _PipelineView(
        stages=(source, *blocks),
        frames=f"{report.pipeline.frames:,}",
        unit="pixels" if pipeline.source.spec.form is Form.IMAGE else "samples",
        decides=pipeline.decide is not None,
        context_bytes=f"{report.pipeline.context_bytes:,}",
        ring_bytes=f"{report.pipeline.ring_bytes:,}",
        delay_ms=f"{delay_ms(pipeline):,g}",
    )


def _labels(facts: ModelFacts) -> Iterator[str]:
    """Sentences with the class names of each output that has some."""
    for i, port in enumerate(facts.outputs):
        if not port.labels:
            continue
        of = f" of {titled(port, f'output {i}')}" if len(facts.outputs) > 1 else ""
        names = ", ".join(markdown(label, 60) for label in port.labels)
        if port.binary:
            yield (
                f"Classes{of}: {names}. The output is the probability of the second one, which is "
                "chosen from 0.5 on."
            )
        else:
            yield f"Classes{of}, in the order of the output's values: {names}."


def _score_rows(report: Report) -> Iterator[tuple[str, str]]:
    """Rows with the scores of each output that has targets, and the loss through int8."""
    for score in report.scores:
        what = score.metric.replace("_", " ")
        if len(report.facts.outputs) > 1:
            what = (
                f"{what} of {titled(report.facts.outputs[score.output], f'output {score.output}')}"
            )
        for name, value in (
            ("float", score.float_model),
            ("int8 in TFLM", score.int8_tflm),
            ("this C", score.int8_c),
        ):
            if value is not None:
                yield f"{what}, {name}, {score.samples} samples", f"{value:.4f}"
        if score.drop is not None and score.drop_interval is not None:
            low, high = score.drop_interval
            unit = "" if score.metric == "accuracy" else " of the mean deviation of the targets"
            yield (
                f"{what}, lost as int8{unit}, 95 % interval",
                f"{score.drop:.4f}, {low:.4f} to {high:.4f}",
            )


def _error_rows(report: Report) -> Iterator[tuple[str, str]]:
    """Rows with the int8 error of each output."""
    error = report.int8_error
    for i, row in enumerate(error.outputs if error else ()):
        if error is not None and row.ratio is not None:
            which = titled(report.facts.outputs[i], f"output {i}")
            what = f"RMS error of {which} as int8 / standard deviation in float"
            where = "test" if error.data == "test_data" else "calibration"
            yield f"{what}, {error.samples} {where} samples", f"{row.ratio:.4f}"
