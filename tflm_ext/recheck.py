"""Compare a project that lies on disk, or a board that runs it, with TensorFlow Lite Micro."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.api import make_options
from tflm_ext.convert.int8_model import Int8Model
from tflm_ext.device import Device
from tflm_ext.emit.escape import plain
from tflm_ext.errors import ConfigError, TflmExtError, VerificationError
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.pio import upload_command
from tflm_ext.project.write import recover
from tflm_ext.report import Accuracy, Int8Error, OutputError, Report
from tflm_ext.report.measured import with_bench
from tflm_ext.report.report import SCHEMA, digest
from tflm_ext.stages import Analysis, Options, analyse, report_of
from tflm_ext.verify.compare import arena_for, compare_tensors, verify
from tflm_ext.verify.computable import computable, keep_computable
from tflm_ext.verify.golden import read_golden
from tflm_ext.verify.tflm import run_tflm
from tflm_ext.verify.vectors import make_vectors

_BOARD_VECTORS = 16
_GOLDEN_VECTORS = "test/test_model/golden_vectors.c"
_EXPORT_AGAIN = "Put the exported file back, or export the model again, with --overwrite."


@dataclass(frozen=True, slots=True)
class Recheck:
    """What was compared, without a difference.

    Attributes:
        target: "host", or "board" behind a serial port.
        inputs: vectors compared.
        tensors: tensors compared on each; the outputs alone on a board.
        golden: golden vectors in the project's files that are as TFLM gave them.
        seed: reproduces the inputs.
        edited: generated files that are not as they were exported.
    """

    target: str
    inputs: int
    tensors: int
    golden: int
    seed: int
    edited: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"mismatches": 0}

    def to_text(self) -> str:
        where = {"host": "this computer", "board": "the board"}[self.target]
        text = (
            f"equal to TensorFlow Lite Micro on {where}: {_count(self.tensors, 'tensor')} on "
            f"{_count(self.inputs, 'input')} (--seed {self.seed}), "
            f"{_count(self.golden, 'golden vector')}"
        )
        lines = [
            text,
            *(f"note: {plain(path)} was edited after the export" for path in self.edited),
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Exported:
    """A project as its report.json tells.

    Attributes:
        options: with which it was exported.
        analysis: of its model.
        golden: SHA-256 of every golden vector.
        files: SHA-256 of every generated file.
        content: of report.json.
    """

    folder: Path
    options: Options
    analysis: Analysis
    golden: tuple[str, ...]
    files: Mapping[str, str]
    content: Mapping[str, Any]

    def edited(self) -> tuple[str, ...]:
        """Generated files that are missing or not as they were."""
        return tuple(
            path
            for path, sha256 in self.files.items()
            if not (file := self.folder / path).is_file()
            or hashlib.sha256(file.read_bytes()).hexdigest() != sha256
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def verify_project(folder: Path, *, seed: int | None = None) -> Recheck:
    """Compile the files that lie in a project, and compare every tensor on new inputs.

    The project's golden vectors are compared, too, and are among the inputs.

    Args:
        folder: an exported project.
        seed: of the inputs; None takes a new one.

    Raises:
        ConfigError: the folder is no project.
        VerificationError: they differ; names the first operator and the element.
        ToolError: there is no C compiler.
    """
    seed = secrets.randbelow(2**31) if seed is None else seed
    exported = load_project(folder)
    analysis = exported.analysis
    facts = analysis.facts
    if not exported.options.runtime.own_code:
        raise ConfigError(
            f"{folder} runs TensorFlow Lite Micro itself: there is no C to compare with it.",
            "Run its tests, tflm-ext test, or compare a board with --port.",
        )
    sources = model_sources(folder, facts)
    golden = _check_golden(exported)
    given = [
        np.frombuffer(b"".join(vector.inputs[i] for vector in golden), np.int8)
        for i in range(len(facts.inputs))
    ]
    samples = [column.reshape(len(golden), -1) for column in given] if golden else []
    vectors = make_vectors(facts.inputs, samples, seed=seed)
    vectors, _ = keep_computable(analysis.model, analysis.graph, vectors)
    compared = compare_tensors(analysis.model, analysis.graph, facts, sources, vectors)
    if not compared and analysis.plan.steps:
        raise VerificationError(
            f"The C in {folder} reports none of its tensors, so that none were compared.",
            _EXPORT_AGAIN,
        )
    checked = verify(analysis.model, analysis.graph, facts, sources, vectors)
    return Recheck("host", checked.inputs, compared, len(golden), seed, exported.edited())


def model_sources(folder: Path, facts: ModelFacts) -> list[RenderedFile]:
    """The C of a project's model as it lies there, with paths below lib/<Name>/src/.

    Raises:
        ConfigError: there is none.
    """
    root = folder / "lib" / facts.library / "src"
    sources = [
        RenderedFile(str(path.relative_to(root).as_posix()), path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix in (".c", ".h")
    ]
    if not any(file.path.endswith(".c") for file in sources):
        raise ConfigError(
            f"{folder} has no C files in lib/{facts.library}/src.",
            "Export the model again, with --overwrite.",
        )
    return sources


def inspect_project(folder: Path) -> Report:
    """What is known of a project: as inspected, its accuracy, and what bench measured of its C.

    Raises:
        ConfigError: the folder is no project.
        VerificationError: its model is not the one that was exported.
    """
    exported = load_project(folder)
    content = exported.content
    try:
        scores, int8_error = _read_scores(content), _read_int8_error(content)
        report = replace(
            report_of(exported.analysis, exported.options),
            warnings=tuple(content["warnings"]),
            vectors=content["verification"]["inputs"],
            golden=exported.golden,
            scores=scores,
            int8_error=int8_error,
            losses=tuple(content.get("losses", ())),
            files=tuple(exported.files.items()),
            encoding=content.get("encode"),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise _damaged(folder) from error
    return report if exported.edited() else with_bench(report, folder)


def _read_scores(content: Mapping[str, Any]) -> tuple[Accuracy, ...]:
    """The scores in a report.json; LookupError, TypeError or ValueError if it is damaged."""
    first = [content["accuracy"]] if "accuracy" in content else []
    return tuple(map(_read_score, [*first, *content.get("accuracy_of_other_outputs", ())]))


def _read_score(row: Mapping[str, Any]) -> Accuracy:
    found = Accuracy(**row)
    if found.drop_interval is not None:
        low, high = found.drop_interval
        found = replace(found, drop_interval=(low, high))
    _check_numbers(found.float_model, found.int8_tflm, found.int8_c, found.drop, found.output)
    _check_numbers(*(found.drop_interval or ()))
    return found


def _read_int8_error(content: Mapping[str, Any]) -> Int8Error | None:
    """The errors of the outputs, likewise."""
    if "int8_error" not in content:
        return None
    found = content["int8_error"]
    outputs = tuple(OutputError(**row) for row in found["outputs"])
    for row in outputs:
        _check_numbers(row.float_std, row.rms_error, row.ratio)
    return Int8Error(str(found["data"]), int(found["samples"]), outputs)


def _check_numbers(*values: Any) -> None:
    if not all(value is None or isinstance(value, int | float) for value in values):
        raise TypeError("a score is no number")


def explain(folder: Path, error: VerificationError) -> VerificationError:
    """Why a project's tests failed, as far as comparing its files again can tell.

    Args:
        error: what the tests said.

    Returns:
        The same error, with the operator or golden vector that is wrong.
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
        return error  # what stops the comparison does not say why the tests failed
    return VerificationError(
        error.problem,
        "The files are right on this computer: check the tests, compiler and flags of that run.",
        index=error.index,
        expected=error.expected,
        got=error.got,
    )


def _check_golden(exported: Exported) -> tuple[GoldenVector, ...]:
    """Require that the golden vectors of all files are those of the export.

    Returns:
        The vectors of the tests.

    Raises:
        VerificationError: one is not; names the file, the vector and the element.
    """
    facts = exported.analysis.facts
    sizes = [port.size for port in (*facts.inputs, *facts.outputs)]
    example = f"lib/{facts.library}/examples/{facts.library}/sample.h"
    files = {
        path: read_golden(file.read_text("utf-8", "replace"), sizes, len(facts.inputs))
        for path in (_GOLDEN_VECTORS, "src/golden.h", example)
        if (file := exported.folder / path).is_file()
    }
    for path, vectors in {_GOLDEN_VECTORS: (), **files}.items():
        wrong = len(vectors) != len(exported.golden) if path == _GOLDEN_VECTORS else not vectors
        if wrong or len(vectors) > len(exported.golden):
            raise VerificationError(
                f"{path} does not hold the golden vectors of the export.", _EXPORT_AGAIN
            )
        for i, vector in enumerate(vectors):
            if digest(vector) != exported.golden[i]:
                copies = (v[i] for v in files.values() if i < len(v))
                sound = (copy for copy in copies if digest(copy) == exported.golden[i])
                right = next(sound, None) or _with_outputs(exported.analysis, vector)
                raise _golden_error(path, i, vector, right)
    return files[_GOLDEN_VECTORS]


def _with_outputs(analysis: Analysis, vector: GoldenVector) -> GoldenVector:
    """The vector with the outputs that TFLM gives for its inputs."""
    graph = analysis.graph
    inputs = [
        np.frombuffer(data, np.int8).reshape(1, *port.shape)
        for port, data in zip(analysis.facts.inputs, vector.inputs, strict=True)
    ]
    if not computable(analysis.model, graph, inputs).all():
        return vector  # its inputs are not those of the export
    run = run_tflm(analysis.model, inputs, len(graph.outputs), arena_bytes=arena_for(graph))
    return GoldenVector(vector.inputs, tuple(output.tobytes() for output in run.outputs))


def _golden_error(
    path: str, number: int, vector: GoldenVector, right: GoldenVector
) -> VerificationError:
    for kind, got, expected in (
        ("input", vector.inputs, right.inputs),
        ("output", vector.outputs, right.outputs),
    ):
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            if g != e:
                ours, theirs = np.frombuffer(g, np.int8), np.frombuffer(e, np.int8)
                at = int(np.flatnonzero(ours != theirs)[0])
                return VerificationError(
                    f"{path}: golden vector {number}, {kind} {i}, element {at} is {ours[at]} "
                    f"instead of {theirs[at]}.",
                    _EXPORT_AGAIN,
                    index=at,
                    expected=int(theirs[at]),
                    got=int(ours[at]),
                )
    return VerificationError(
        f"{path}: the inputs of golden vector {number} are not those of the export.",
        _EXPORT_AGAIN,
    )


def verify_port(folder: Path, port: str, *, seed: int | None = None) -> Recheck:
    """Compare a board that runs the project's firmware with TFLM, over its serial port.

    Raises:
        ConfigError: the folder is no project, or the board runs another model.
        ToolError: the port cannot be used.
        VerificationError: an output differs, or the board's self test failed.
    """
    seed = secrets.randbelow(2**31) if seed is None else seed
    exported = load_project(folder)
    analysis = exported.analysis
    facts, graph = analysis.facts, analysis.graph
    made = make_vectors(facts.inputs, seed=seed)
    vectors = [v[:_BOARD_VECTORS] for v in keep_computable(analysis.model, graph, made)[0]]
    expected = run_tflm(
        analysis.model,
        vectors,
        len(graph.outputs),
        arena_bytes=arena_for(graph),
        reset_each=True,
    ).outputs
    upload = upload_command(folder, exported.options.board)
    with Device.on_port(port, upload=upload) as device:
        device.expect(facts.name, facts.sha256)
        test = device.selftest()
        if test.passed != test.total or not test.total:
            raise VerificationError(
                f"The board passed {test.passed} of {test.total} golden vectors.",
                "Upload the firmware again; if it stays so, check the supply and the compiler.",
            )
        for i in range(len(vectors[0])):
            device.reset()
            got, _ = device.run([column[i].tobytes() for column in vectors])
            for k, output in enumerate(got):
                wrong = np.flatnonzero(np.frombuffer(output, np.int8) != expected[k][i].reshape(-1))
                if len(wrong):
                    at = int(wrong[0])
                    e = int(expected[k][i].flat[at])
                    g = int(np.frombuffer(output, np.int8)[at])
                    raise VerificationError(
                        f"{facts.name} on {port}: output {k}, element {at} on input {i} is {g} "
                        f"instead of {e}.",
                        "Compare with tflm-ext verify without --port to see if the files differ.",
                        index=at,
                        expected=e,
                        got=g,
                    )
    return Recheck(
        "board", len(vectors[0]), len(graph.outputs), test.total, seed, exported.edited()
    )


def load_project(folder: Path) -> Exported:
    """A project as it was exported.

    Raises:
        ConfigError: the folder is no project.
        VerificationError: its model is not the one that was exported.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder.", "Give the folder of an exported project.")
    recover(folder)
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
        if report["schema"] != SCHEMA or report["tool"]["name"] != "tflm_ext":
            raise ValueError("another tool or schema")
        if not report["verification"]["golden_sha256"]:
            raise ValueError("no golden vectors")
        name, sha256 = str(report["model"]["name"]), str(report["model"]["sha256"])
        chosen = report["options"]
        options = make_options(
            name,
            board=str(chosen["board"]),
            runtime=str(chosen["runtime"]),
            optimize=str(chosen["optimize"]),
            labels=report["model"]["labels"] or None,
        )
        golden = tuple(map(str, report["verification"]["golden_sha256"]))
        files = {str(row["path"]): str(row["sha256"]) for row in report["files"]}
        model = (folder / "model" / f"{options.name}.tflite").read_bytes()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(folder) from error
    if hashlib.sha256(model).hexdigest() != sha256:
        raise VerificationError(
            f"model/{options.name}.tflite is not the model that was exported.",
            "Put the original back, or export this one again.",
        )
    analysis = analyse(Int8Model.of(model), options)
    return Exported(folder, options, analysis, golden, files, report)


def _damaged(folder: Path) -> ConfigError:
    return ConfigError(
        f"{folder} is no project of tflm-ext, or its report.json or model is damaged.",
        "Give the folder of an exported project, or export the model again.",
    )
