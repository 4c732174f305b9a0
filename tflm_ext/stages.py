"""The stages from int8 bytes to a verified project, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.boards import Board
from tflm_ext.convert.int8_model import Int8Model
from tflm_ext.emit.model import model_files
from tflm_ext.encoding import EncodingResult, Methods, encode
from tflm_ext.errors import ConfigError, UnsupportedModelError, UnsupportedOperatorError
from tflm_ext.frontend import read_foreign, read_graph
from tflm_ext.frontend.parse import RawModel, parse
from tflm_ext.ir import Graph
from tflm_ext.ir.facts import ModelFacts, Port
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.options import Budget, Optimize, Runtime
from tflm_ext.passes import PassResult, run_passes
from tflm_ext.plan import Plan, count_macs, foreign_plan, make_plan
from tflm_ext.plan.budget import check_budget
from tflm_ext.plan.footprint import arena_bytes
from tflm_ext.project.arduino import arduino_files
from tflm_ext.project.firmware import firmware_files
from tflm_ext.project.names import library_name
from tflm_ext.project.platformio_tree import platformio_files
from tflm_ext.project.readme import readme_files
from tflm_ext.report import Interpreter, Report
from tflm_ext.report.report import digest, digests
from tflm_ext.runtimes.tflm import arena_bound, interpreter_files, refuse_for_board, required
from tflm_ext.runtimes.tflm import context_bytes as interpreter_context_bytes
from tflm_ext.runtimes.tflm.tree import (
    Flavour,
    TflmTree,
    link_tree,
    tflm_settings,
    tree_files,
)
from tflm_ext.verify.compare import verify
from tflm_ext.verify.computable import keep_computable, left_out
from tflm_ext.verify.float_model import check_drop
from tflm_ext.verify.golden import make_golden
from tflm_ext.verify.scores import Samples, score
from tflm_ext.verify.tflm import run_outputs
from tflm_ext.verify.vectors import make_vectors, quantize
from tflm_ext.version import VERSION

Array: TypeAlias = np.ndarray[Any, Any]
Progress: TypeAlias = Callable[[str], None]

_SAMPLES = 16  # of each kind of real data, besides extremes and random inputs


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose, checked."""

    name: str
    board: Board
    budget: Budget = Budget()
    runtime: Runtime = Runtime.COMPILED
    optimize: Optimize = Optimize.BALANCED
    labels: tuple[str, ...] = ()
    tflm_tree: TflmTree | None = None
    encoding: Methods | None = None
    max_accuracy_drop: float | None = None


@dataclass(frozen=True, slots=True)
class Interpreted:
    """A model as TensorFlow Lite Micro's interpreter gets it.

    Attributes:
        bytes: the .tflite in the firmware, encoded or as it was.
        parsed: the same, taken apart.
        sizes: what it takes.
        encoding: what became of each constant; None where nothing was encoded.
        board_problem: why the board's TFLM cannot run it; None if it can.
    """

    bytes: bytes
    parsed: RawModel
    sizes: Interpreter
    encoding: EncodingResult | None
    board_problem: UnsupportedOperatorError | None


@dataclass(frozen=True)
class Analysis:
    """A model read, rewritten and planned; for runtime "tflm" also what its interpreter takes."""

    model: bytes
    graph: Graph
    passes: PassResult
    plan: Plan
    facts: ModelFacts
    interpreted: Interpreted | None = None


@dataclass(frozen=True)
class Project:
    """A verified project, ready to be written."""

    report: Report
    files: tuple[RenderedFile, ...]
    tflm_tree: TflmTree | None = None


def analyse(int8: Int8Model, options: Options, progress: Progress = lambda text: None) -> Analysis:
    """Read, rewrite and plan a model; nothing is compiled.

    Raises:
        UnsupportedModelError: the file is damaged or cannot be run.
        ConfigError: there are more or fewer labels than values in the first output.
        VerificationError: encoding changes outputs.
    """
    passes, plan, graph = _planned(int8.bytes, options)
    _check_labels(graph, options.labels)
    interpreted = None
    if options.runtime is Runtime.TFLM:
        interpreted = _interpreted(int8.bytes, options, progress)
    sizes = interpreted.sizes if interpreted else None
    facts = ModelFacts(
        name=options.name,
        library=library_name(options.name),
        sha256=int8.sha256,
        inputs=_ports(graph, graph.inputs),
        outputs=_ports(graph, graph.outputs),
        labels=options.labels,
        weight_bytes=sizes.model_bytes if sizes else plan.weight_bytes,
        arena_bytes=sizes.arena_bytes if sizes else arena_bytes(plan),
        macs=sum(map(count_macs, graph.views())),
        version=VERSION,
        command=_command(options),
        golden=(),
    )
    return Analysis(int8.bytes, graph, passes, plan, facts, interpreted)


def _planned(model: bytes, options: Options) -> tuple[PassResult, Plan, Graph]:
    """A model rewritten, planned, and as it was; runtime "tflm" has operators of its own."""
    try:
        graph = read_graph(model, options.name, run=run_outputs)
        passes = run_passes(graph)
        return passes, make_plan(passes.graph, options.optimize), graph
    except UnsupportedModelError:
        if options.runtime is not Runtime.TFLM:
            raise
        graph = read_foreign(model, options.name)
        required(parse(model, options.name))
        return PassResult(graph, ()), foreign_plan(graph), graph


def _interpreted(model: bytes, options: Options, progress: Progress) -> Interpreted:
    encoding = None
    if options.encoding is not None:
        encoding = encode(model, options.encoding, budget=options.budget, progress=progress)
        model = encoding.model
    parsed = parse(model, options.name)
    problem = _board_problem(parsed)
    arena = arena_bound(parsed).total
    sizes = Interpreter(len(model), arena, interpreter_context_bytes(parsed, arena))
    return Interpreted(model, parsed, sizes, encoding, problem)


def _board_problem(parsed: RawModel) -> UnsupportedOperatorError | None:
    try:
        refuse_for_board(parsed)
    except UnsupportedOperatorError as error:
        return error
    return None


def _check_labels(graph: Graph, labels: tuple[str, ...]) -> None:
    values = graph.tensors[graph.outputs[0]].bytes
    if labels and len(labels) != values:
        raise ConfigError(
            f"labels has {len(labels)} names, and the first output has {values} values.",
            "Give one name per class, in the order of the output.",
        )


def describe(analysis: Analysis, options: Options, warnings: Sequence[str] = ()) -> Report:
    """The report of a model that was not exported.

    Raises:
        UnsupportedOperatorError: runtime "tflm", and the board's TFLM cannot run the model; unless
            the user encodes it or has a current TFLM, which are not for the board.
    """
    interpreted = analysis.interpreted
    if interpreted is not None and interpreted.board_problem is not None:
        tree = options.tflm_tree
        current = tree is not None and tree.flavour is Flavour.UPSTREAM
        if options.encoding is None and not current:
            raise interpreted.board_problem
        problem = interpreted.board_problem.problem
        warnings = (*warnings, f"{problem} The project has nothing for it.")
    left_out = (f"{item}." for item in analysis.passes.left_out)
    return replace(report_of(analysis, options), warnings=(*warnings, *left_out))


def report_of(analysis: Analysis, options: Options) -> Report:
    """The report of an analysis alone, whatever the board can run."""
    interpreted = analysis.interpreted
    return Report(
        facts=analysis.facts,
        plan=analysis.plan,
        passes=analysis.passes.records,
        left_out=analysis.passes.left_out,
        board=options.board.name,
        runtime=options.runtime,
        optimize=options.optimize,
        interpreter=interpreted.sizes if interpreted else None,
        encoding=interpreted.encoding.to_dict() if interpreted and interpreted.encoding else None,
    )


def make_project(
    int8: Int8Model, options: Options, samples: Samples, progress: Progress
) -> Project:
    """Every stage after the conversion, up to the files of a verified project.

    Raises:
        BudgetError: it does not fit, or loses more accuracy than the user allows.
        VerificationError: the C differs from TFLM.
    """
    progress("planning")
    analysis = analyse(int8, options, progress)
    interpreted = analysis.interpreted
    report = describe(analysis, options, int8.warnings)
    check_budget(
        analysis.plan,
        options.budget,
        options.board,
        weight_bytes=report.weight_bytes,
        code_bytes=report.code_bytes or 0,
        context_bytes=report.ram_bytes,
    )
    given = _vectors(analysis, samples)
    vectors, skipped = keep_computable(int8.bytes, analysis.graph, given)
    if skipped:
        note = left_out(skipped, len(given[0]), "inputs of the comparison")
        report = replace(report, warnings=(*report.warnings, note))
    if interpreted is None:
        settings = None
        library: tuple[RenderedFile, ...] = ()
        sources = model_files(analysis.facts, analysis.plan)
        progress("comparing with TensorFlow Lite Micro")
        compared = verify(int8.bytes, analysis.graph, analysis.facts, sources, vectors).inputs
    else:
        tree = options.tflm_tree
        settings = tflm_settings(tree, for_board=not interpreted.board_problem)
        library = tree_files(tree)
        sources = interpreter_files(
            analysis.facts, interpreted.parsed, interpreted.bytes, interpreted.sizes.arena_bytes
        )
        progress("running TensorFlow Lite Micro")
        compared = 0
    golden = make_golden(int8.bytes, analysis.graph, vectors)
    scores = score(
        int8, analysis.graph, analysis.facts, samples, None if interpreted else sources, progress
    )
    found = scores.findings
    causes = (*report.warnings, *int8.suspects)
    check_drop(options.name, scores.accuracies, scores.names, options.max_accuracy_drop, causes)

    for_board = interpreted is None or not interpreted.board_problem
    progress("writing the project")
    facts = replace(analysis.facts, golden=golden)
    report = replace(
        report,
        facts=facts,
        vectors=compared,
        golden=tuple(map(digest, golden)),
        scores=scores.accuracies,
        int8_error=scores.error,
        warnings=(
            *report.warnings,
            *found.notes,
            *(int8.suspects if found.losses else ()),
            *found.losses,
        ),
        losses=found.losses,
    )
    files = (
        *platformio_files(facts, options.board, settings),
        *library,
        *firmware_files(facts, options.runtime),
        *arduino_files(facts, sources, options.runtime, for_board=for_board),
        *readme_files(report, options.board, for_board=for_board),
        RenderedFile(f"model/{facts.name}.tflite", int8.bytes),
    )
    if interpreted is not None and interpreted.encoding is not None:
        encoded = RenderedFile(f"model/{facts.name}_encoded.tflite", interpreted.bytes)
        files = (*files, encoded)
    report = replace(report, files=digests(files))
    files = (*files, RenderedFile.text("report.json", report.to_json()))
    return Project(report, files, options.tflm_tree)


def write(project: Project, folder: Path, *, overwrite: bool) -> tuple[str, ...]:
    """Put a project on disk, whole or not at all; returns the files that were kept as edited."""
    from tflm_ext.project.write import write_project

    kept = write_project(folder, project.files, overwrite=overwrite).kept
    link_tree(folder, project.tflm_tree)
    return kept


def _ports(graph: Graph, indices: tuple[int, ...]) -> tuple[Port, ...]:
    ports = []
    for i in indices:
        tensor = graph.tensors[i]
        if tensor.quantization is None:
            raise AssertionError(f"port {i} was not checked")  # read_graph refuses these
        q = tensor.quantization
        ports.append(Port(tensor.name, tensor.shape, q.scale, q.zero_point))
    return tuple(ports)


def _command(options: Options) -> str:
    """What regenerates the project, run inside it."""
    words = ["tflm-ext export", f"model/{options.name}.tflite -o .", f"--name {options.name}"]
    if options.runtime is not Runtime.COMPILED:
        words.append(f"--runtime {options.runtime.value}")
    if options.encoding is not None:
        methods = options.encoding
        text = methods if isinstance(methods, str) else ",".join(methods)
        # What is asked of single tensors is for the user to write again.
        words.append(f"--encoding={'...' if isinstance(methods, Mapping) else text}")
    if options.optimize is not Optimize.BALANCED:
        words.append(f"--optimize {options.optimize.value}")
    if options.labels:
        plain = all(re.fullmatch(r"[\w.+-]+", label, re.ASCII) for label in options.labels)
        # What a shell or a comment could misread is for the user to write again.
        words.append(f"--labels={','.join(options.labels)}" if plain else "--labels=...")
    return " ".join(words)


def _vectors(analysis: Analysis, samples: Samples) -> tuple[Array, ...]:
    """Test samples, calibration samples, extremes and random inputs; the same for one model."""
    inputs = analysis.facts.inputs
    parts = [
        quantize(inputs, [column[:_SAMPLES] for column in part])
        for part in (samples.test, samples.calibration)
        if part
    ]
    given = tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
    return make_vectors(inputs, given, seed=int(analysis.facts.sha256[:8], 16))
