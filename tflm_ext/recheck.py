"""Compare a project that lies on disk, or a board that runs it, with TensorFlow Lite Micro."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflm_ext.api import make_options
from tflm_ext.convert.int8_model import Int8Model
from tflm_ext.emit.files import RenderedFile
from tflm_ext.errors import ConfigError, VerificationError
from tflm_ext.pipeline import Analysis, analyse
from tflm_ext.project.write import recover
from tflm_ext.report.report import SCHEMA
from tflm_ext.verify.compare import arena_for, compare_tensors, verify
from tflm_ext.verify.serial import Device
from tflm_ext.verify.tflm import run_tflm
from tflm_ext.verify.vectors import make_vectors

_BOARD_VECTORS = 16


@dataclass(frozen=True, slots=True)
class Recheck:
    """What was compared, without a difference.

    Attributes:
        where: "this computer" or the board's port.
        inputs: vectors compared.
        tensors: tensors compared on each; the outputs alone on a board.
        seed: reproduces the inputs.
        edited: generated files that are not as they were exported.
    """

    where: str
    inputs: int
    tensors: int
    seed: int
    edited: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"mismatches": 0}

    def to_text(self) -> str:
        lines = [
            f"equal to TensorFlow Lite Micro on {self.where}: {self.tensors} tensors on "
            f"{self.inputs} inputs (--seed {self.seed})"
        ]
        lines += [f"note: {path} was edited after the export" for path in self.edited]
        return "\n".join(lines)


def verify_project(folder: Path, *, seed: int | None = None) -> Recheck:
    """Compile the files that lie in a project, and compare every tensor on new inputs.

    Args:
        folder: an exported project.
        seed: of the inputs; None takes a new one.

    Raises:
        ConfigError: the folder is no project.
        VerificationError: they differ; names the first operator and the element.
        ToolError: there is no C compiler.
    """
    seed = secrets.randbelow(2**31) if seed is None else seed
    analysis, report = _load(folder)
    facts = analysis.facts
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
    vectors = make_vectors(facts.inputs, seed=seed)
    compared = compare_tensors(analysis.model, analysis.graph, facts, sources, vectors)
    checked = verify(analysis.model, analysis.graph, facts, sources, vectors)
    return Recheck("this computer", checked.inputs, compared, seed, _edited(folder, report))


def verify_port(folder: Path, port: str, *, seed: int | None = None) -> Recheck:
    """Compare a board that runs the project's firmware with TFLM, over its serial port.

    Raises:
        ConfigError: the folder is no project, or the board runs another model.
        ToolError: the port cannot be used.
        VerificationError: an output differs, or the board's self test failed.
    """
    seed = secrets.randbelow(2**31) if seed is None else seed
    analysis, report = _load(folder)
    facts, graph = analysis.facts, analysis.graph
    vectors = [v[-_BOARD_VECTORS:] for v in make_vectors(facts.inputs, seed=seed)]
    expected = run_tflm(
        analysis.model,
        vectors,
        len(graph.outputs),
        arena_bytes=arena_for(graph),
        reset_each=True,
    ).outputs
    with Device.on_port(port) as device:
        device.expect(facts.name, facts.sha256)
        test = device.selftest()
        if test.passed != test.total:
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
    return Recheck(port, len(vectors[0]), len(graph.outputs), seed, _edited(folder, report))


def _load(folder: Path) -> tuple[Analysis, dict[str, Any]]:
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder.", "Give the folder of an exported project.")
    recover(folder)
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
        if report["schema"] != SCHEMA or report["tool"]["name"] != "tflm_ext":
            raise ValueError("another tool or schema")
        name, sha256 = str(report["model"]["name"]), str(report["model"]["sha256"])
        chosen = report["options"]
        options = make_options(
            name,
            board=str(chosen["board"]),
            runtime=str(chosen["runtime"]),
            optimize=str(chosen["optimize"]),
        )
        model = (folder / "model" / f"{options.name}.tflite").read_bytes()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{folder} is no project of tflm-ext, or its report.json or model is damaged.",
            "Give the folder of an exported project, or export the model again.",
        ) from error
    if hashlib.sha256(model).hexdigest() != sha256:
        raise VerificationError(
            f"model/{options.name}.tflite is not the model that was exported.",
            "Put the original back, or export this one again.",
        )
    return analyse(Int8Model.of(model), options), report


def _edited(folder: Path, report: dict[str, Any]) -> tuple[str, ...]:
    edited = []
    for row in report["files"]:
        path = folder / str(row["path"])
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            edited.append(str(row["path"]))
    return tuple(edited)
