"""Compares an exported project, or a board that runs it, with TensorFlow Lite Micro."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tflm_ext.chosen import make_options
from tflm_ext.convert.int8_model import Int8Model
from tflm_ext.device import Device
from tflm_ext.document import Count, FilePath, declared, entry, from_json, to_json
from tflm_ext.emit.escape import plain
from tflm_ext.emit.sense import ring_bytes
from tflm_ext.emit.sense_memory import context_bytes
from tflm_ext.errors import ConfigError, TflmExtError, VerificationError
from tflm_ext.ir.facts import GoldenVector
from tflm_ext.project.choices import PIPELINE
from tflm_ext.project.exported import GOLDEN_VECTORS, Exported, damaged, read_project
from tflm_ext.project.pio import upload_command
from tflm_ext.report import Accuracy, Int8Error, Report
from tflm_ext.report.detail import with_detail
from tflm_ext.report.measured import with_bench
from tflm_ext.report.pipeline import PipelineProof
from tflm_ext.stages import Analysis, Options, analyse, report_of
from tflm_ext.verify.compare import arena_for, compare_tensors, verify
from tflm_ext.verify.computable import keep_computable
from tflm_ext.verify.golden import check_golden
from tflm_ext.verify.sense import ModelRun, prove_sense
from tflm_ext.verify.tflm import run_tflm
from tflm_ext.verify.vectors import make_vectors
from tflm_ext.warm import warm_python

_BOARD_VECTORS = 16
_EXPORT_AGAIN = "Restore the exported file, or export the model again with --overwrite."


@declared("verify")
@dataclass(frozen=True, slots=True)
class Recheck:
    """The result of a comparison: no difference.

    Attributes:
        target: "host", or "board" for a serial port.
        inputs: number of vectors compared.
        tensors: number of tensors compared on each vector; on a board, only the outputs.
        golden: number of golden vectors in the project's files, all equal to TFLM's.
        seed: reproduces the inputs.
        edited: generated files that have changed since the export.
        frames: number of frames of the pipeline on which its C was compared with NumPy; None if
            there is no pipeline, or on a board.
        mismatches: always 0, because a mismatch is an error.
    """

    target: Literal["host", "board"] = entry()
    inputs: Count = entry()
    tensors: Count = entry()
    golden: Count = entry()
    seed: Count = entry()
    edited: tuple[FilePath, ...] = entry()
    frames: Count | None = entry(
        "Frames on which the C of the pipeline was compared with NumPy; absent without a pipeline.",
        default=None,
        optional=True,
    )
    mismatches: Literal[0] = entry(default=0)

    def to_dict(self) -> dict[str, Any]:
        """Return its part of report.schema.json."""
        return to_json(Recheck, self)

    def to_text(self) -> str:
        where = {"host": "this computer", "board": "the board"}[self.target]
        lines = []
        if self.tensors:
            lines.append(
                f"equal to TensorFlow Lite Micro on {where}: {_count(self.tensors, 'tensor')} on "
                f"{_count(self.inputs, 'input')} (--seed {self.seed}), "
                f"{_count(self.golden, 'golden vector')}"
            )
        elif self.target == "board":
            lines.append(f"equal to NumPy on the board: {_count(self.golden, 'golden window')}")
        if self.frames is not None:
            lines.append(
                f"pipeline equal to NumPy on {where}: {self.frames:,} frames (--seed {self.seed})"
            )
        lines += [
            *(f"note: {plain(path)} has been edited since the export" for path in self.edited),
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Opened:
    """An exported project, with its model analysed again with the options of the export."""

    exported: Exported
    options: Options
    analysis: Analysis


def open_project(folder: Path) -> Opened:
    """Read a project and analyse its model.

    Raises:
        ConfigError: the folder is not a project.
        VerificationError: its model is not the one that was exported.
    """
    exported = read_project(folder)
    chosen = exported.chosen
    options = make_options(
        chosen.name,
        board=chosen.board,
        runtime=chosen.runtime,
        optimize=chosen.optimize,
        budget=chosen.budget,
        version=chosen.version,
        url=chosen.url,
        pipeline=chosen.pipeline,
        capture_seconds=chosen.capture_seconds,
        lift=chosen.lift,
        alone=not chosen.outputs,
    )
    if options.pipeline and options.pipeline.sha256 != chosen.pipeline_sha256:
        raise VerificationError(
            f"{PIPELINE} is not the pipeline that was exported.",
            "Restore the original file, or export the model with this pipeline.",
        )
    # Earlier versions accepted labels that are now refused, such as equal ones.
    options = replace(options, labels=chosen.labels)
    int8 = Int8Model.of(
        exported.model,
        input_names=chosen.inputs,
        output_names=chosen.outputs,
        affines=chosen.affines,
    )
    return Opened(exported, options, analyse(int8, options))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@warm_python()
def verify_project(folder: Path, *, seed: int | None = None) -> Recheck:
    """Compile the files in a project, and compare every tensor with TFLM on new inputs.

    The project's golden vectors are also compared, and are among the inputs.

    Args:
        folder: an exported project.
        seed: of the inputs; None chooses a new one.

    Raises:
        ConfigError: the folder is not a project.
        VerificationError: a tensor differs; names the first operator and element.
        ToolError: there is no C compiler.
    """
    seed = secrets.randbelow(2**31) if seed is None else seed
    opened = open_project(folder)
    exported, analysis = opened.exported, opened.analysis
    facts = analysis.facts
    if not opened.options.runtime.own_code:
        raise ConfigError(
            f"{folder} runs TensorFlow Lite Micro itself, so there is no C to compare with it.",
            "Run its tests with tflm-ext test, or compare a board with --port.",
        )
    sources, pipeline = exported.sources(), opened.options.pipeline
    if pipeline is not None and not facts.outputs:
        found = prove_sense(facts, sources, pipeline, (), seed=seed)
        return Recheck("host", 0, 0, 0, seed, exported.edited(), found.frames)
    golden = _golden(opened)
    given = [
        np.frombuffer(b"".join(vector.inputs[i] for vector in golden), port.dtype.numpy)
        for i, port in enumerate(facts.inputs)
    ]
    samples = [column.reshape(len(golden), -1) for column in given] if golden else []
    vectors = make_vectors(facts.inputs, samples, seed=seed)
    vectors, _ = keep_computable(analysis.model, analysis.graph, vectors)
    compared = compare_tensors(analysis.model, analysis.graph, facts, sources, vectors)
    if not compared and analysis.plan.steps:
        raise VerificationError(
            f"The C in {folder} reports none of its tensors, so nothing could be compared.",
            _EXPORT_AGAIN,
        )
    checked = verify(analysis.model, analysis.graph, facts, sources, vectors)
    frames = None
    if pipeline is not None:
        model = ModelRun(analysis.model, arena_for(analysis.graph))
        frames = prove_sense(facts, sources, pipeline, (), model, seed=seed).frames
    return Recheck("host", checked.inputs, compared, len(golden), seed, exported.edited(), frames)


def inspect_project(folder: Path, *, detail: bool = False) -> Report:
    """Return the report of a project, with its accuracy, and measurements by bench.

    Args:
        folder: an exported project.
        detail: also report what each rewrite of the graph did, and where each tensor is placed.

    Raises:
        ConfigError: the folder is not a project; or detail was requested for a runtime that does
            not rewrite the model.
        VerificationError: its model is not the one that was exported.
    """
    opened = open_project(folder)
    exported, content = opened.exported, opened.exported.content
    try:
        first = [content["accuracy"]] if "accuracy" in content else []
        scores = [*first, *content.get("accuracy_of_other_outputs", [])]
        report = replace(
            report_of(opened.analysis, opened.options),
            warnings=from_json(tuple[str, ...], content["warnings"]),
            vectors=_vectors(content),
            pipeline=_proof(opened),
            golden=exported.golden,
            scores=from_json(tuple[Accuracy, ...], scores),
            int8_error=from_json(Int8Error | None, content.get("int8_error")),
            losses=from_json(tuple[str, ...], content.get("losses", [])),
            files=tuple(exported.files.items()),
            encoding=from_json(Mapping[str, Any] | None, content.get("encode")),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise damaged(folder) from error
    if detail:
        report = with_detail(report, opened.analysis.graph, opened.analysis.passes)
    return report if exported.edited() else with_bench(report, folder)


def _vectors(content: Mapping[str, Any]) -> int | None:
    """Return the inputs of the comparison; None if there is no model."""
    if not content["model"]["outputs"]:
        return None
    found: int = from_json(int, content["verification"]["inputs"])
    return found


def _proof(opened: Opened) -> PipelineProof | None:
    """Return what the export found out about the pipeline; None without one."""
    pipeline, facts = opened.options.pipeline, opened.analysis.facts
    if pipeline is None:
        return None
    content = opened.exported.content["pipeline"]
    return PipelineProof(
        pipeline,
        from_json(int, content["frames"]),
        from_json(int, content["compared_bytes"]),
        context_bytes(facts, pipeline),
        ring_bytes(facts, pipeline),
    )


def explain(folder: Path, error: VerificationError) -> VerificationError:
    """Explain why a project's tests failed, by comparing its files with TFLM again.

    Args:
        error: the error of the tests.

    Returns:
        The same error, with the operator or golden vector that is wrong, if one was found.
    """
    try:
        verify_project(folder)
    except VerificationError as found:
        return VerificationError(
            f"{error.problem.rstrip('.')}. The cause: {found.problem}",
            found.hint,
            operator=found.operator,
            index=error.index if found.index is None else found.index,
            expected=error.expected if found.expected is None else found.expected,
            got=error.got if found.got is None else found.got,
        )
    except TflmExtError:
        return error  # the comparison could not run, so it does not explain the failure
    return VerificationError(
        error.problem,
        "The files are correct on this computer; check the tests, compiler and flags of that run.",
        index=error.index,
        expected=error.expected,
        got=error.got,
    )


def _golden(opened: Opened) -> tuple[GoldenVector, ...]:
    """Return the golden vectors of the tests, after checking those of all files.

    Raises:
        VerificationError: a vector differs from the export; names file, vector and element.
    """
    exported, analysis = opened.exported, opened.analysis
    files = exported.golden_vectors(analysis.facts)
    for path, vectors in files.items():
        short = len(vectors) < len(exported.golden) if path == GOLDEN_VECTORS else not vectors
        if short or len(vectors) > len(exported.golden):
            raise VerificationError(
                f"{path} does not contain the golden vectors of the export.", _EXPORT_AGAIN
            )
    check_golden(files, exported.golden, analysis.model, analysis.graph, _EXPORT_AGAIN)
    return files[GOLDEN_VECTORS]


def verify_port(folder: Path, port: str, *, seed: int | None = None) -> Recheck:
    """Compare a board that runs the project's firmware with TFLM, over its serial port.

    Raises:
        ConfigError: the folder is not a project, or the board runs a different model.
        ToolError: the port cannot be used.
        VerificationError: an output differs, or the board's self-test failed.
    """
    seed = secrets.randbelow(2**31) if seed is None else seed
    opened = open_project(folder)
    analysis = opened.analysis
    facts, graph = analysis.facts, analysis.graph
    if not facts.outputs:
        with Device.on_port(port, upload=upload_command(folder, opened.options.board)) as device:
            device.expect(facts.name, facts.sha256)
            total = _selftest(device, "golden windows")
        return Recheck("board", 0, 0, total, seed, opened.exported.edited())
    made = make_vectors(facts.inputs, seed=seed)
    vectors = [v[:_BOARD_VECTORS] for v in keep_computable(analysis.model, graph, made)[0]]
    expected = run_tflm(
        analysis.model,
        vectors,
        len(graph.outputs),
        arena_bytes=arena_for(graph),
        reset_each=True,
    ).outputs
    upload = upload_command(folder, opened.options.board)
    with Device.on_port(port, upload=upload) as device:
        device.expect(facts.name, facts.sha256)
        total = _selftest(device, "golden vectors")
        for i in range(len(vectors[0])):
            device.reset()
            got, _ = device.run([column[i].tobytes() for column in vectors])
            for k, output in enumerate(got):
                values = np.frombuffer(output, facts.outputs[k].dtype.numpy)
                wrong = np.flatnonzero(values != expected[k][i].reshape(-1))
                if len(wrong):
                    at = int(wrong[0])
                    e, g = int(expected[k][i].flat[at]), int(values[at])
                    raise VerificationError(
                        f"{facts.name} on {port}: output {k}, element {at} on input {i} is {g} "
                        f"instead of {e}.",
                        "Run tflm-ext verify without --port to see if the project's files differ.",
                        index=at,
                        expected=e,
                        got=g,
                    )
    return Recheck(
        "board", len(vectors[0]), len(graph.outputs), total, seed, opened.exported.edited()
    )


def _selftest(device: Device, what: str) -> int:
    """Return how many golden vectors or windows a board passed: all.

    Raises:
        VerificationError: some failed.
    """
    test = device.selftest()
    if test.passed != test.total or not test.total:
        raise VerificationError(
            f"The board passed only {test.passed} of {test.total} {what}.",
            "Upload the firmware again; if the error persists, check the board's power supply "
            "and the compiler.",
        )
    return test.total
