"""An exported project on disk: its report.json, its model and its sources."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tflm_ext.document import from_json
from tflm_ext.errors import ConfigError, VerificationError
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.near import did_you_mean_file
from tflm_ext.project.choices import Choices, choices_in
from tflm_ext.project.listing import REPORT, check_schema
from tflm_ext.project.names import library_name
from tflm_ext.project.write import recover
from tflm_ext.report.parts import FilePart
from tflm_ext.verify.golden import read_golden

GOLDEN_VECTORS = "test/test_model/golden_vectors.c"


@dataclass(frozen=True)
class Exported:
    """A project as described by its report.json; see read_project().

    Attributes:
        folder: the project's folder.
        content: content of report.json.
        chosen: options of the export.
        model: bytes of the exported .tflite, or of the pipeline's JSON if there is no model.
        golden: SHA-256 of each golden vector; none if there is no model.
        files: SHA-256 of each generated file, by path.
    """

    folder: Path
    content: Mapping[str, Any]
    chosen: Choices
    model: bytes
    golden: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        """The model's name in C."""
        return self.chosen.name

    @property
    def library(self) -> str:
        """Name of the library's folder below lib/."""
        return library_name(self.name)

    def edited(self) -> tuple[str, ...]:
        """Return the generated files that are missing or have changed since the export."""
        return tuple(
            path
            for path, sha256 in self.files.items()
            if not (file := self.folder / path).is_file()
            or hashlib.sha256(file.read_bytes()).hexdigest() != sha256
        )

    def sources(self) -> list[RenderedFile]:
        """Return the C of the model from the folder; paths are relative to lib/<Name>/src/.

        Raises:
            ConfigError: the folder has no C files.
        """
        root = self.folder / "lib" / self.library / "src"
        sources = [
            RenderedFile(str(path.relative_to(root).as_posix()), path.read_bytes())
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.suffix in (".c", ".h")
        ]
        if not any(file.path.endswith(".c") for file in sources):
            raise ConfigError(
                f"{self.folder} has no C files in lib/{self.library}/src.",
                "Export the model again, with --overwrite.",
            )
        return sources

    def golden_vectors(self, facts: ModelFacts) -> Mapping[str, tuple[GoldenVector, ...]]:
        """Return the golden vectors of each file that has some, by path.

        GOLDEN_VECTORS is always included, without vectors if the file is missing or damaged.
        """
        example = f"lib/{self.library}/examples/{self.library}/sample.h"
        found: dict[str, tuple[GoldenVector, ...]] = {GOLDEN_VECTORS: ()}
        for path in (GOLDEN_VECTORS, "src/golden.h", example):
            if (file := self.folder / path).is_file():
                text = file.read_text("utf-8", "replace")
                found[path] = read_golden(text, facts.inputs, facts.outputs)
        return found


def is_exported(folder: Path) -> bool:
    """Whether a folder looks like an exported project; read_project() really checks it."""
    return os.path.isfile(folder / REPORT)


def read_project(folder: Path) -> Exported:
    """Open an exported project, after completing an export that was killed.

    Raises:
        ConfigError: the folder is not a project, or was exported by a later version.
        VerificationError: its model is not the one that was exported.
    """
    if not os.path.isdir(folder):
        near = "" if os.path.exists(folder) else did_you_mean_file(folder)
        raise ConfigError(
            f"{folder} is not a folder.", f"{near}Pass the folder of an exported project."
        )
    recover(folder)
    try:
        report = (folder / REPORT).read_bytes()
        check_schema(folder, report)
        content = json.loads(report)
        chosen = choices_in(folder, content)
        golden: tuple[str, ...] = ()
        if chosen.outputs:
            golden = from_json(tuple[str, ...], content["verification"]["golden_sha256"])
            if not golden:
                raise ValueError("no golden vectors")
        exported = Exported(
            folder=folder,
            content=content,
            chosen=chosen,
            model=(folder / chosen.model_path).read_bytes(),
            golden=golden,
            files={f.path: f.sha256 for f in from_json(tuple[FilePart, ...], content["files"])},
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(folder) from error
    if hashlib.sha256(exported.model).hexdigest() != chosen.sha256:
        what = "model" if chosen.outputs else "pipeline"
        raise VerificationError(
            f"{chosen.model_path} is not the {what} that was exported.",
            f"Restore the original file, or export this {what} again.",
        )
    return exported


def damaged(folder: Path) -> ConfigError:
    """Return the error for a folder that cannot be read as a project."""
    return ConfigError(
        f"{folder} is not a project of tflm-ext, or its report.json or model is damaged.",
        "Pass the folder of an exported project, or export the model again.",
    )
