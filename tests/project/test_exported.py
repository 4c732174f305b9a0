"""Exported projects on disk: what is read, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.models import image_net
from tflm_ext import export
from tflm_ext.document import from_json
from tflm_ext.errors import ConfigError, VerificationError
from tflm_ext.project.exported import GOLDEN_VECTORS, is_exported, read_project
from tflm_ext.recheck import inspect_project, open_project
from tflm_ext.report.parts import ReportDocument

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of runtime tflm, which needs no compiler."""
    (tmp_path / "net.tflite").write_bytes(image_net())
    return export(
        tmp_path / "net.tflite",
        tmp_path / "net",
        runtime="tflm",
        optimize="size",
        labels=["a", "b*/", "c\nd"],
        progress=False,
    ).folder


def change(project: Path, edit: Change) -> None:
    path = project / "report.json"
    content = json.loads(path.read_text("utf-8"))
    edit(content)
    path.write_text(json.dumps(content), "utf-8")


def test_a_project_is_read_as_it_was_exported(project: Path) -> None:
    assert is_exported(project) and not is_exported(project.parent)
    found = read_project(project)
    assert (found.name, found.library, found.model) == ("net", "Net", image_net())
    chosen = found.chosen
    assert (chosen.board, chosen.runtime, chosen.optimize) == ("nano33ble_sense", "tflm", "size")
    assert chosen.labels.first == ("a", "b*/", "c\nd")
    assert found.edited() == ()
    vectors = found.golden_vectors(open_project(project).analysis.facts)
    assert len(vectors[GOLDEN_VECTORS]) == len(found.golden) == 8
    assert set(vectors) == {GOLDEN_VECTORS, "src/golden.h", "lib/Net/examples/Net/sample.h"}


def test_all_of_report_json_can_be_read_back(project: Path) -> None:
    content = json.loads((project / "report.json").read_text("utf-8"))
    read = from_json(ReportDocument, content)
    assert read.schema == 1 and read.model.labels == ("a", "b*/", "c\nd")
    assert [row.path for row in read.files] == [row["path"] for row in content["files"]]
    assert read.memory.context_bytes == content["memory"]["context_bytes"]
    assert read.accuracy is None and read.accuracy_of_other_outputs is None


def test_a_report_that_was_read_is_written_as_it_was(project: Path) -> None:
    content = json.loads((project / "report.json").read_text("utf-8"))
    assert inspect_project(project).to_dict() == content


def test_labels_that_are_refused_today_can_be_read(project: Path) -> None:
    """Earlier versions accepted them."""
    change(project, lambda c: c["model"].update(labels=["a", "a", " "]))
    assert open_project(project).analysis.facts.labels == ("a", "a", " ")


def test_edited_files_are_named(project: Path) -> None:
    (project / "README.md").write_text("mine")
    (project / "src/golden.h").unlink()
    assert read_project(project).edited() == ("README.md", "src/golden.h")


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda c: c.pop("options"), "is not a project of tflm-ext, or its report.json"),
        (lambda c: c.update(schema=2), "was exported by a later version of tflm_ext"),
        (lambda c: c.update(schema=0), "is not a project of tflm-ext, or its report.json"),
        (lambda c: c.update(schema="2"), "is not a project of tflm-ext, or its report.json"),
        (lambda c: c["tool"].update(name="other"), "is not a project of tflm-ext"),
        (lambda c: c["model"].update(labels="abc"), "is not a project of tflm-ext"),
        (lambda c: c["model"].update(labels=["a", 1, "c"]), "is not a project of tflm-ext"),
        (lambda c: c["verification"].update(golden_sha256=[]), "is not a project of tflm-ext"),
        (lambda c: c.update(files={}), "is not a project of tflm-ext"),
        (lambda c: c["model"].update(name="other"), "is not a project of tflm-ext"),
        (lambda c: c["model"].update(name="../net"), "is not a valid name for a model"),
        (lambda c: c["model"].update(name=""), "is not a valid name for a model"),
        (lambda c: c["options"].update(runtime="other"), "runtime='other' is not known"),
        (lambda c: c["options"].update(board="other"), "board"),
    ],
)
def test_a_damaged_report_is_refused(project: Path, edit: Change, problem: str) -> None:
    change(project, edit)
    with pytest.raises(ConfigError) as caught:
        open_project(project)
    assert problem in caught.value.problem


def test_a_model_that_was_exchanged_is_refused(project: Path) -> None:
    (project / "model/net.tflite").write_bytes(image_net() + b"\0")
    with pytest.raises(VerificationError, match="is not the model that was exported"):
        read_project(project)
