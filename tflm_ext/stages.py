"""The stages from int8 bytes to a verified project, in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.convert.int8_model import Int8Model, Known
from tflm_ext.errors import ConfigError
from tflm_ext.ir import Graph
from tflm_ext.ir.affine import Affine
from tflm_ext.ir.facts import GoldenVector, ModelFacts, Port
from tflm_ext.ir.names import port_name, unlike
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import (
    DEFAULT_BOARD,
    NO_VERSION,
    Budget,
    Labels,
    Optimize,
)
from tflm_ext.passes import PassResult
from tflm_ext.plan import Plan, count_macs
from tflm_ext.plan.budget import check_budget
from tflm_ext.project.arduino import arduino_files
from tflm_ext.project.choices import PIPELINE, board_path
from tflm_ext.project.firmware import firmware_files
from tflm_ext.project.link import link_sources
from tflm_ext.project.names import library_name, port_symbols
from tflm_ext.project.parts import Parts
from tflm_ext.project.platformio_tree import platformio_files
from tflm_ext.project.readme import readme_files
from tflm_ext.project.sense import sense_example, sense_firmware_files
from tflm_ext.project.sensors import Sensor, sensor_for
from tflm_ext.report import Report
from tflm_ext.report.report import digest, digests
from tflm_ext.runtimes import Compiled, DeviceModel, NoModel, Progress, Runtime
from tflm_ext.sensed import Sensed, calibration_warnings, check_pipeline, sense
from tflm_ext.signals import Pipeline
from tflm_ext.targets import Board
from tflm_ext.verify.computable import keep_computable, left_out
from tflm_ext.verify.float_model import check_drop
from tflm_ext.verify.golden import make_golden
from tflm_ext.verify.real_time import inference_us
from tflm_ext.verify.scores import Samples, Scores, score
from tflm_ext.verify.targets import check_labels
from tflm_ext.verify.vectors import make_vectors, quantize
from tflm_ext.version import PAGE, VERSION

Array: TypeAlias = np.ndarray[Any, Any]

_SAMPLES = 16  # of each kind of real data, in addition to extremes and random inputs


@dataclass(frozen=True, slots=True)
class Options:
    """The user's options, checked."""

    name: str
    board: Board
    budget: Budget = Budget()
    runtime: Runtime = Compiled()
    optimize: Optimize = Optimize.BALANCED
    labels: Labels = Labels()
    version: str = NO_VERSION
    url: str = PAGE
    pipeline: Pipeline | None = None
    lift: bool = True
    max_accuracy_drop: float | None = None
    capture_seconds: float = 0.0


@dataclass(frozen=True)
class Analysis:
    """A model that was read, rewritten and planned, and its form on the device."""

    model: bytes
    graph: Graph
    passes: PassResult
    plan: Plan
    facts: ModelFacts
    on_device: DeviceModel


@dataclass(frozen=True)
class Project:
    """A verified project, ready to be written.

    Attributes:
        analysis: of the model.
        linked: sources on this computer that its link points to.
    """

    report: Report
    analysis: Analysis
    files: tuple[RenderedFile, ...]
    linked: Path | None = None

    @property
    def sources(self) -> tuple[RenderedFile, ...]:
        """The files of lib/<Name>/src/, with paths below it."""
        root = f"lib/{self.report.facts.library}/src/"
        own = (file for file in self.files if file.path.startswith(root))
        return tuple(RenderedFile(f.path.removeprefix(root), f.content) for f in own)


def load(
    model: Any,
    calibration_data: Any,
    test_data: Any,
    options: Options,
    say: Progress,
    known: Known | None = None,
) -> tuple[Int8Model, Samples]:
    """Load the user's model and data, as an int8 model and Samples.

    Args:
        known: what an earlier export knows about a .tflite.

    Raises:
        ConfigError, UnsupportedModelError, ToolError: as in export().
    """
    from tflm_ext.convert import convert
    from tflm_ext.convert.given import as_data
    from tflm_ext.convert.pinned import pinned_by

    calibration_data = as_data(calibration_data, "calibration_data")
    inputs, targets = (None, None) if test_data is None else _pair(test_data)
    converted = convert(
        model,
        calibration_data,
        test_inputs=inputs,
        test_targets=targets,
        labels=options.labels,
        progress=say,
        dense_per_tensor=options.runtime.dense_per_tensor,
        known=known,
        pinned=pinned_by(options.pipeline),
        lift=options.lift,
    )
    return converted.int8, Samples(converted.calibration, converted.test, converted.targets)


def _pair(test_data: Any) -> tuple[Any, Any]:
    from tflm_ext.convert.given import as_data

    found = as_data(test_data, "test_data")
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise ConfigError("test_data is not a pair.", "Pass test_data=(x, y), inputs and targets.")
    return as_data(found[0], "test_data"), found[1]


def analyse(int8: Int8Model, options: Options, progress: Progress = lambda text: None) -> Analysis:
    """Read, rewrite and plan a model; nothing is compiled.

    Raises:
        UnsupportedModelError: the file is damaged, or the model is not supported.
        ConfigError: there are more or fewer labels than values in an output.
        VerificationError: the encoding changes outputs.
    """
    runtime = options.runtime
    planned = runtime.plan(int8.bytes, options.name, options.optimize, options.board.core)
    graph = planned.graph
    outputs = _named("output", planned.outputs, int8.output_names)
    called = [port.name or port.tensor_name for port in outputs]
    labels = check_labels(options.labels, called, [port.size for port in outputs])
    joined = options.pipeline is not None and runtime.own_code
    on_device = runtime.deploy(int8.bytes, planned, options.budget, options.board, progress)
    facts = ModelFacts(
        name=options.name,
        library=library_name(options.name),
        sha256=int8.sha256,
        inputs=_with_affines(_named("input", planned.inputs, int8.input_names), int8.affines),
        outputs=tuple(replace(o, labels=own) for o, own in zip(outputs, labels, strict=True)),
        weight_bytes=on_device.footprint.weight_bytes,
        arena_bytes=on_device.footprint.arena_bytes,
        macs=sum(map(count_macs, graph.views())),
        version=VERSION,
        command=_command(options),
        golden=(),
        model_version=options.version,
        url=options.url,
        pipeline=options.pipeline.sha256 if options.pipeline else "",
        inference_us=inference_us(planned.plan, options.board) if joined else 0,
    )
    return Analysis(int8.bytes, graph, planned.passes, planned.plan, facts, on_device)


def _named(kind: str, ports: Sequence[Port], names: Sequence[str]) -> tuple[Port, ...]:
    """Return the inputs or outputs with their names, which their tensors may have, and symbols."""
    names = names or unlike([port_name(port.tensor_name) for port in ports])
    symbols = port_symbols(kind, names)
    return tuple(
        replace(port, name=name, symbol=symbol)
        for port, name, symbol in zip(ports, names, symbols, strict=True)
    )


def _with_affines(ports: Sequence[Port], affines: Sequence[Affine | None]) -> tuple[Port, ...]:
    """Return the inputs with what was lifted from each; nothing if there are no affines."""
    found = affines or (None,) * len(ports)
    return tuple(replace(port, affine=own) for port, own in zip(ports, found, strict=True))


def describe(analysis: Analysis, options: Options, warnings: Sequence[str] = ()) -> Report:
    """Return the report of a model that was not exported.

    Raises:
        UnsupportedOperatorError: the project could not run the model anywhere.
    """
    notes = analysis.on_device.notes()
    left_out = (f"{item}." for item in analysis.passes.left_out)
    return replace(report_of(analysis, options), warnings=(*warnings, *notes, *left_out))


def report_of(analysis: Analysis, options: Options) -> Report:
    """Return the report of an analysis, even for a model that the board cannot run."""
    return Report(
        facts=analysis.facts,
        plan=analysis.plan,
        footprint=analysis.on_device.footprint,
        passes=analysis.passes.records,
        left_out=analysis.passes.left_out,
        board=options.board.name,
        runtime=options.runtime.name,
        optimize=options.optimize,
        budget=options.budget,
        methods=options.runtime.encoding,
        lift=options.lift,
        encoding=analysis.on_device.encoding,
    )


def make_project(
    int8: Int8Model,
    options: Options,
    samples: Samples,
    progress: Progress,
    recordings: Sequence[Array] = (),
) -> Project:
    """Run all stages after the conversion, up to the files of a verified project.

    Args:
        recordings: of the pipeline's source, for its comparison.

    Raises:
        BudgetError: the model does not fit, or loses more accuracy than the user allows.
        VerificationError: the C differs from TFLM.
    """
    progress("planning")
    analysis = analyse(int8, options, progress)
    graph, facts, on_device = analysis.graph, analysis.facts, analysis.on_device
    pipeline, seconds = options.pipeline, options.capture_seconds
    ram = on_device.footprint.context_bytes
    report = describe(analysis, options, (*int8.warnings, *calibration_warnings(int8, pipeline)))
    check_budget(analysis.plan, on_device.footprint, options.budget, options.board)
    check_pipeline(facts, pipeline, ram, options.budget, options.board, capture_seconds=seconds)
    vectors, notes = _vectors(analysis, samples)
    sources = on_device.sources(facts)
    compared = on_device.compare(graph, facts, sources, vectors, progress)
    golden = make_golden(int8.bytes, graph, vectors)
    scores = score(int8, graph, facts, samples, compared.sources, progress)
    compiled = (sources, compared.sources)
    sensed = sense(
        *(pipeline, int8.bytes, graph, facts, *compiled, recordings, progress),
        capture_seconds=seconds,
    )
    report = replace(report, pipeline=sensed.proof)
    report = replace(report, warnings=(*report.warnings, *notes), vectors=compared.inputs)
    causes = (*report.warnings, *int8.suspects)
    check_drop(options.name, scores.accuracies, scores.names, options.max_accuracy_drop, causes)
    progress("writing the project")
    report = _with_results(report, int8, golden, scores)
    return _assemble(int8, options, analysis, sources, report, sensed)


def make_pipeline_project(
    pipeline: Pipeline, options: Options, progress: Progress, recordings: Sequence[Array] = ()
) -> Project:
    """Run the stages of a pipeline that computes its score itself, without a model.

    Args:
        options: those with this pipeline; the runtime is NoModel.
        recordings: of the pipeline's source, for its comparison.

    Raises:
        BudgetError: the pipeline does not fit.
        VerificationError: the C differs from NumPy.
    """
    progress("planning")
    exported = pipeline_alone(pipeline)
    analysis = analyse(exported, options, progress)
    facts, seconds = analysis.facts, options.capture_seconds
    check_pipeline(facts, pipeline, 0, options.budget, options.board, capture_seconds=seconds)
    sensed = sense(
        pipeline,
        b"",
        analysis.graph,
        facts,
        (),
        (),
        recordings,
        progress,
        capture_seconds=seconds,
    )
    progress("writing the project")
    report = replace(describe(analysis, options), pipeline=sensed.proof)
    return _assemble(exported, options, analysis, (), report, sensed)


def pipeline_alone(pipeline: Pipeline) -> Int8Model:
    """Return what a project without a model has in the place of a .tflite: its pipeline's JSON."""
    return Int8Model.of(pipeline.to_json().encode("utf-8"))


def _with_results(
    report: Report, int8: Int8Model, golden: tuple[GoldenVector, ...], scores: Scores
) -> Report:
    """Add the results of running the model to a report."""
    found = scores.findings
    suspects = int8.suspects if found.losses else ()
    return replace(
        report,
        facts=replace(report.facts, golden=golden),
        golden=tuple(map(digest, golden)),
        scores=scores.accuracies,
        int8_error=scores.error,
        warnings=(*report.warnings, *found.notes, *suspects, *found.losses),
        losses=found.losses,
    )


def _assemble(
    int8: Int8Model,
    options: Options,
    analysis: Analysis,
    sources: tuple[RenderedFile, ...],
    report: Report,
    sensed: Sensed,
) -> Project:
    """Return all files of a project; the report, which has the digests of the others, is last."""
    facts = report.facts
    parts = analysis.on_device.parts(facts)
    sensor = sensor_for(facts, options.pipeline, options.board) if parts.for_board else None
    files = (
        *platformio_files(facts, options.board, parts, sensor),
        *_programs(facts, options.pipeline, (*sources, *sensed.sources), sensed, parts, sensor),
        *readme_files(report, options.board, parts),
        *parts.files,
        *sensed.files,
    )
    if facts.outputs:
        files = (*files, RenderedFile(f"model/{facts.name}.tflite", int8.bytes))
    if options.board.source is not None:
        files = (*files, RenderedFile.text(board_path(options.board.name), options.board.source))
    report = replace(report, files=digests([file for file in files if not file.once]))
    files = (*files, RenderedFile.text("report.json", report.to_json()))
    return Project(report, analysis, files, parts.linked)


def _programs(
    facts: ModelFacts,
    pipeline: Pipeline | None,
    sources: tuple[RenderedFile, ...],
    sensed: Sensed,
    parts: Parts,
    sensor: Sensor | None,
) -> tuple[RenderedFile, ...]:
    """Return the firmware and the library with its example, which run the model if there is one."""
    seconds = 0.0 if sensed.proof is None else sensed.proof.capture_seconds
    if pipeline is None or sensed.golden is None or facts.outputs:
        firmware = firmware_files(facts, parts, pipeline, sensor, seconds)
        return (*firmware, *arduino_files(facts, sources, parts, sensor=sensor))
    firmware = sense_firmware_files(facts, pipeline, sensed.golden, parts, sensor, seconds)
    example = sense_example(facts, pipeline, sensed.golden, parts)
    return (*firmware, *arduino_files(facts, sources, parts, example, sensor))


def write(
    project: Project, folder: Path, *, overwrite: bool, spared: Path | None = None
) -> tuple[str, ...]:
    """Write a project, completely or not at all, and return the edited files that were kept.

    Args:
        spared: a file in the folder that stays, although an earlier export wrote it.
    """
    from tflm_ext.project.write import write_project

    kept = write_project(folder, project.files, overwrite=overwrite, spared=spared).kept
    link_sources(folder, project.linked)
    return kept


def _command(options: Options) -> str:
    """Return the command that regenerates the project, to be run inside it.

    It omits what a shell or a comment could misinterpret: an export into the same folder takes
    options that are not passed from report.json.
    """
    alone = options.runtime.name == NoModel.name
    model = f"--pipeline {PIPELINE}" if alone else f"model/{options.name}.tflite"
    words = ["tflm-ext export", f"{model} -o .", f"--name {options.name}"]
    words += options.runtime.arguments()
    if options.board.source is not None:
        words.append(f"--board {board_path(options.board.name)}")
    elif options.board.name != DEFAULT_BOARD:
        words.append(f"--board {options.board.name}")
    if options.capture_seconds:
        words.append(f"--capture-seconds {options.capture_seconds:g}")
    if options.optimize is not Optimize.BALANCED:
        words.append(f"--optimize {options.optimize.value}")
    for limit, value in options.budget.limits.items():
        words.append(f"--max-{limit.replace('_', '-')} {value}")
    if options.version != NO_VERSION:
        words.append(f"--version {options.version}")
    if options.url != PAGE and re.fullmatch(r"[\w.+/:-]+", options.url, re.ASCII):
        words.append(f"--url {options.url}")
    found = [("", options.labels.first), *((f"{n}=", own) for n, own in options.labels.by_name)]
    texts = [name + ",".join(labels) for name, labels in found if labels]
    if all(re.fullmatch(r"([\w.+-]+=)?[\w.+,-]+", text, re.ASCII) for text in texts):
        words += [f"--labels={text}" for text in texts]
    return " ".join(words)


def _vectors(analysis: Analysis, samples: Samples) -> tuple[tuple[Array, ...], tuple[str, ...]]:
    """Return the inputs of the comparison; they depend only on the model and the samples.

    They are test samples, calibration samples, extremes and random inputs, without those that TFLM
    cannot compute.

    Returns:
        For each input of the model, (vectors, *shape) of its element type; and notes on inputs that
        were left out.
    """
    inputs = analysis.facts.inputs
    parts = [
        quantize(inputs, [column[:_SAMPLES] for column in part])
        for part in (samples.test, samples.calibration)
        if part
    ]
    real = tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
    given = make_vectors(inputs, real, seed=int(analysis.facts.sha256[:8], 16))
    vectors, skipped = keep_computable(analysis.model, analysis.graph, given)
    notes = (left_out(skipped, len(given[0]), "inputs of the comparison"),) if skipped else ()
    return tuple(vectors), notes
