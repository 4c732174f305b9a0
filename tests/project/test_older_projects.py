"""Projects that older versions exported: what docs/reference/compatibility.md promises of them.

tests/projects/<version>/<runtime> are projects as these versions wrote them.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import tflm_ext
from tests.conftest import ROOT
from tests.device.test_client import run_program, terminal
from tests.firmware.test_board import build
from tests.project.add_projects import CORPUS, add
from tests.report.test_schema import VALIDATOR
from tflm_ext.cli import main
from tflm_ext.document import from_json
from tflm_ext.project.exported import Exported, read_project
from tflm_ext.recheck import inspect_project, open_project
from tflm_ext.report.parts import SCHEMA, ReportDocument
from tflm_ext.runtimes import RUNTIMES
from tflm_ext.verify.golden import check_golden

PROJECTS = sorted(path.parent for path in CORPUS.glob("*/*/report.json"))
COMPILED = [path for path in PROJECTS if path.name == "compiled"]
ID = {"ids": lambda path: path.relative_to(CORPUS).as_posix()}

every_project = pytest.mark.parametrize("older", PROJECTS, **ID)
every_compiled_project = pytest.mark.parametrize("older", COMPILED, **ID)


def copy(older: Path, folder: Path) -> Path:
    return shutil.copytree(older, folder / "net")


def report_of(project: Path) -> dict[str, Any]:
    content = json.loads((project / "report.json").read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def rewrite(project: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = report_of(project)
    change(content)
    (project / "report.json").write_text(json.dumps(content), "utf-8")


def test_every_version_has_a_project_of_each_runtime() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert "0.1.0" in versions
    for version in versions:
        found = {path.name for path in PROJECTS if path.parent.name == version}
        assert found >= {"compiled", "tflm"}, f"{version}: see CONTRIBUTING.md, Releases"
    assert {path.parent.name for path in PROJECTS} == set(versions)


def test_projects_of_the_next_release_can_be_added(tmp_path: Path) -> None:
    add(tmp_path / "next")
    assert {path.name for path in (tmp_path / "next").iterdir()} == set(RUNTIMES)


@every_project
def test_it_is_as_it_was_exported(older: Path) -> None:
    found = read_project(older)
    files = {path.relative_to(older).as_posix() for path in older.rglob("*") if path.is_file()}
    assert files == {*found.files, "report.json"} and found.edited() == ()
    assert found.content["tool"]["version"] == older.parent.name
    assert found.chosen.runtime == older.name


@every_compiled_project
@pytest.mark.tool("cc")
def test_it_verifies(older: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(copy(older, tmp_path)), "--seed", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["verify"]
    assert found["inputs"] >= 64 and found["tensors"] > 1 and found["mismatches"] == 0
    assert found["golden"] == len(report_of(older)["verification"]["golden_sha256"])
    assert found["edited"] == []


@every_project
def test_its_golden_vectors_are_still_those_of_tflm(older: Path) -> None:
    opened = open_project(older)
    exported, analysis = opened.exported, opened.analysis
    vectors = exported.golden_vectors(analysis.facts)
    assert len(vectors) == 3
    check_golden(vectors, exported.golden, analysis.model, analysis.graph, "")


@pytest.mark.slow
@every_compiled_project
@pytest.mark.tool("gcc", "g++")
def test_its_firmware_is_compared_over_a_port(older: Path, tmp_path: Path) -> None:
    project = copy(older, tmp_path)
    with terminal(run_program(build(project))) as port:
        assert main(["verify", str(project), "--port", port]) == 0


@every_project
def test_it_is_inspected(older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(older), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(shown)
    recorded = report_of(older)
    for key in ("name", "sha256", "labels"):
        assert shown["model"][key] == recorded["model"][key]
    for key in ("accuracy", "files", "losses", "options", "verification", "warnings"):
        assert shown.get(key) == recorded.get(key), key
    assert main(["inspect", str(older)]) == 0
    assert "net" in capsys.readouterr().out


@every_project
def test_its_whole_report_is_read(older: Path) -> None:
    read = from_json(ReportDocument, report_of(older))
    assert read.tool.version == older.parent.name
    assert [port.shape for port in read.model.inputs] != []
    assert len(read.operators) == len(report_of(older)["operators"]) > 1


def regenerate(project: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the command that the project's README gives; its exit code."""
    readme = (project / "README.md").read_text("utf-8")
    (line,) = re.findall(r"^ {4}tflm-ext (export model/.*)$", readme, re.MULTILINE)
    monkeypatch.chdir(project)
    return main(shlex.split(line))


@every_project
@pytest.mark.tool("cc")
def test_it_is_exported_again_in_its_folder(
    older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the user stay, and so do the files that a user may edit."""
    project = copy(older, tmp_path)
    before = read_project(project)
    mine = {
        "src/filter.c": "int gain = 3;\n",
        "test/test_filter/test_filter.c": "/* mine */\n",
        "lib/Filter/filter.h": "/* mine */\n",
        "notes.txt": "mine\n",
        "README.md": (project / "README.md").read_text("utf-8") + "Mine.\n",
        "src/main.cpp": (project / "src/main.cpp").read_text("utf-8") + "// mine\n",
    }
    for path, text in mine.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text, "utf-8")
    assert regenerate(project, monkeypatch) == 0
    assert {path: (project / path).read_text("utf-8") for path in mine} == mine
    after = read_project(project)
    assert (after.name, after.model) == (before.name, before.model)
    for option in ("labels", "board", "runtime", "optimize"):
        assert getattr(after.chosen, option) == getattr(before.chosen, option)
    assert after.content["tool"]["version"] == tflm_ext.__version__
    assert set(after.edited()) == {"README.md", "src/main.cpp"}
    assert not orphans(project, before, after)
    if after.chosen.runtime == "compiled":
        assert main(["verify", str(project)]) == 0


def orphans(project: Path, before: Exported, after: Exported) -> set[str]:
    """Files that only the older version generated and that are still there."""
    return {path for path in before.files if path not in after.files and (project / path).exists()}


@every_project
def test_a_user_s_edit_of_the_model_is_not_lost(
    older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = copy(older, tmp_path)
    edited = project / "lib/Net/src/net_model.h"
    text = edited.read_text("utf-8") + "/* mine */\n"
    edited.write_text(text, "utf-8")
    assert regenerate(project, monkeypatch) == 2
    assert "net_model.h was edited since the last export" in capsys.readouterr().err
    assert edited.read_text("utf-8") == text
    assert report_of(project) == report_of(older)


def without_optional_keys(schema: Mapping[str, Any], value: Any) -> Any:
    """A document of report.schema.json with only the keys that a report has to have."""
    if "$ref" in schema:
        schema = VALIDATOR.schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    if isinstance(value, list):
        return [without_optional_keys(schema["items"], item) for item in value]
    if isinstance(value, dict) and "properties" in schema:
        return {
            key: without_optional_keys(schema["properties"][key], value[key])
            for key in schema["required"]
        }
    return value


@every_project
def test_keys_that_came_later_may_be_missing(older: Path, tmp_path: Path) -> None:
    """Optional keys are those that a version may add."""
    project = copy(older, tmp_path)
    present = inspect_project(older).to_dict()
    least = without_optional_keys(VALIDATOR.schema["oneOf"][0], present)
    least["verification"] = report_of(older)["verification"]  # an export always has it
    (project / "report.json").write_text(json.dumps(least), "utf-8")
    assert from_json(ReportDocument, least).model.name == "net"
    shown = inspect_project(project).to_dict()
    assert shown["model"] == present["model"] and "accuracy" not in shown


@every_project
def test_keys_of_a_later_version_are_passed_over(older: Path, tmp_path: Path) -> None:
    project = copy(older, tmp_path)
    rewrite(project, lambda content: content.update(later={"a": 1}))
    rewrite(project, lambda content: content["model"].update(later=[1]))
    assert inspect_project(project).to_dict() == inspect_project(older).to_dict()


LATER = "was exported by a later version of tflm_ext (7.0.0)"


@every_project
@pytest.mark.parametrize(
    "command",
    [
        ["inspect", "net"],
        ["verify", "net"],
        ["bench", "net"],
        ["export", "net/model/net.tflite", "-o", "net", "--overwrite"],
    ],
    ids=lambda words: words[0],
)
def test_a_report_of_a_later_schema_is_refused(
    older: Path,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is read or written with a wrong meaning."""
    project = copy(older, tmp_path)
    rewrite(project, lambda c: c.update(schema=SCHEMA + 1, tool={**c["tool"], "version": "7.0.0"}))
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    said = capsys.readouterr().err
    assert LATER in said and f"schema {SCHEMA + 1}, and this version reads up to {SCHEMA}" in said
    assert "hint: Install that version or a newer one" in said
    assert before == {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}


@pytest.mark.slow
@every_compiled_project
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_it_is_measured(older: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = copy(older, tmp_path)
    assert main(["bench", str(project), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["bench"]
    assert found["instructions"] > 0
    assert inspect_project(project).to_dict()["bench"] == found


@pytest.mark.slow
@every_compiled_project
@pytest.mark.tool("gcc", "g++")
def test_its_tests_run(older: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", str(copy(older, tmp_path)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["test"]
    assert found["passed"] >= 6
