"""A second export into the same folder: it takes what is not passed from the first one."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.convert.test_names_of_ports import with_float_ports
from tests.models import image_net, recurrent_net, two_headed_net
from tflm_ext import export
from tflm_ext.cli import main
from tflm_ext.errors import ConfigError
from tflm_ext.targets import DEFAULT_BOARD

MODELS = {"image": image_net, "recurrent": recurrent_net, "two": two_headed_net}
PROJECTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "plain": ("image", {}),
    "named": ("image", {"name": "other"}),
    "labels": ("image", {"labels": ["a", 'it\'s "b"*/', "c, d $(x)\n<b>"]}),
    "labels of an output": ("two", {"labels": {"TWO": list("abcdef")}}),
    "board": ("image", {"board": "raspberry_pi_pico"}),
    "own board": ("image", {"board": "OWN"}),
    "no board": ("recurrent", {"board": None}),
    "core": ("image", {"board": "cortex-m7"}),
    "size and budget": (
        "image",
        {"optimize": "size", "budget": {"flash_bytes": 90_000, "macs": 10**9}},
    ),
    "version and page": (
        "image",
        {"version": "1.2.3-rc.1", "url": "https://example.org/a?b=1&c=2"},
    ),
    "tflm": ("image", {"runtime": "tflm"}),
    "encoded": ("image", {"runtime": "tflm", "encoding": ["huffman", "lut"]}),
}


LABELS = {"sum": ["w", "x", "y", "z"]}


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def options_of(kind: str, folder: Path) -> dict[str, Any]:
    """The options of a project; those that depend on files are made."""
    options = dict(PROJECTS[kind][1])
    if options.get("board") == "OWN":
        options["board"] = str(folder / "own.toml")
        boards = resources.files("tflm_ext.targets").joinpath("boards")
        own = boards.joinpath("raspberry_pi_pico.toml").read_text("utf-8")
        Path(options["board"]).write_text(own, "utf-8")
    if isinstance(options.get("labels"), dict):
        options["labels"] = {"output 1": options["labels"]["TWO"]}
    return options


@pytest.fixture
def model(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "given.tflite"
    path.write_bytes(MODELS[PROJECTS[request.param][0]]())
    return path


@pytest.mark.tool("cc")
@pytest.mark.parametrize(("model", "kind"), [(kind, kind) for kind in PROJECTS], indirect=["model"])
def test_the_line_in_the_readme_regenerates_the_project(
    model: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, also after the folder was renamed, and without anything outside it."""
    options = options_of(kind, tmp_path)
    if kind == "labels of an output":
        options["labels"] = {_second_output(model, tmp_path): options["labels"]["output 1"]}
    export(model, tmp_path / "digits", progress=False, **options)
    before = tree(tmp_path / "digits")
    moved = (tmp_path / "digits").rename(tmp_path / "renamed, it's")
    model.unlink()
    (tmp_path / "own.toml").unlink(missing_ok=True)
    line = re.search(r"run in this folder:\n\n    (.*)\n", (moved / "README.md").read_text("utf-8"))
    assert line is not None
    monkeypatch.chdir(moved)
    program, *words = shlex.split(line[1])
    assert program == "tflm-ext"
    assert main(words) == 0
    assert tree(moved) == before


def _second_output(model: Path, folder: Path) -> str:
    report = export(model, folder / "other", progress=False).report
    port = report.facts.outputs[1]
    return port.name or port.tensor_name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "net.tflite").write_bytes(image_net())
    return export(
        tmp_path / "net.tflite",
        tmp_path / "net",
        runtime="tflm",
        labels=["a", "b", "c"],
        optimize="size",
        budget={"flash_bytes": 90_000},
        version="2.0.0",
        progress=False,
    ).folder


def report_of(project: Path) -> Any:
    return json.loads((project / "report.json").read_text("utf-8"))


def test_what_is_passed_wins(project: Path) -> None:
    result = export(
        project / "model/net.tflite",
        project,
        name="fresh",
        labels=["x", "y", "z"],
        optimize="speed",
        board="nucleo_f767zi",
        budget={},
        version="3.0.0",
        progress=False,
    )
    found = report_of(result.folder)
    assert found["model"]["name"] == "fresh" and found["model"]["labels"] == ["x", "y", "z"]
    assert found["options"] == {
        "board": "nucleo_f767zi",
        "runtime": "tflm",
        "optimize": "speed",
    }
    assert found["model"]["version"] == "3.0.0"
    again = export(project / "model/fresh.tflite", project, board=DEFAULT_BOARD, progress=False)
    assert again.report.board == DEFAULT_BOARD and again.report.facts.name == "fresh"


def test_the_file_given_as_model_is_never_removed(project: Path, tmp_path: Path) -> None:
    model = project / "model/net.tflite"
    content = model.read_bytes()
    for given in (model, tmp_path / "link.tflite"):
        if given != model:
            given.symlink_to(model)
        export(given, project, name="other", progress=False)
        assert model.read_bytes() == content
        assert (project / "model/other.tflite").is_file()
        assert not (project / "lib/Net").exists(), "what else belonged to the old name is removed"
        export(model, project, name="net", overwrite=True, progress=False)


def test_the_file_given_as_model_is_never_replaced(project: Path) -> None:
    """It has float ports, and the model of the project has none."""
    given = project / "model/other.tflite"
    given.write_bytes(with_float_ports())
    before = tree(project)
    for overwrite in (False, True):
        with pytest.raises(ConfigError) as caught:
            export(given, project, name="other", overwrite=overwrite, labels=LABELS, progress=False)
        assert "where the project keeps its own model" in caught.value.problem
        assert tree(project) == before
    given.rename(project / "src/other.tflite")
    export(project / "src/other.tflite", project, name="other", labels=LABELS, progress=False)
    assert (project / "src/other.tflite").read_bytes() == with_float_ports()


def test_a_model_in_the_folder_for_temporary_files(project: Path) -> None:
    given = project / ".tflm_ext/old/net.tflite"
    given.parent.mkdir(parents=True)
    given.write_bytes(image_net())
    with pytest.raises(ConfigError) as caught:
        export(given, project, progress=False)
    assert "temporary files" in caught.value.problem and given.is_file()


def test_labels_of_the_earlier_export_that_do_not_fit(project: Path, tmp_path: Path) -> None:
    (tmp_path / "two.tflite").write_bytes(two_headed_net())
    with pytest.raises(ConfigError) as caught:
        export(tmp_path / "two.tflite", project, progress=False)
    assert caught.value.problem == "labels has 3 names, but the first output has 6 values."
    assert caught.value.hint.startswith("These labels are those of the earlier export. Pass one")


def test_a_damaged_report_is_not_in_the_way(project: Path) -> None:
    content = report_of(project)
    for damage in (
        {"model": {}},
        {"model": {**content["model"], "name": "../x"}},
        {"options": {**content["options"], "budget": {"flash_bytes": -1}}},
        {"options": {**content["options"], "budget": {"bytes": 1}}},
    ):
        (project / "report.json").write_text(json.dumps(content | damage), "utf-8")
        export(project / "model/net.tflite", project, overwrite=True, progress=False)
        assert report_of(project)["model"]["name"] == "net"


def test_a_project_without_these_keys(project: Path) -> None:
    """Reports of earlier versions have fewer options."""
    content = report_of(project)
    del content["options"]["budget"], content["model"]["version"]
    for port in (*content["model"]["inputs"], *content["model"]["outputs"]):
        port.pop("port_name", None), port.pop("c_name", None), port.pop("labels", None)
    (project / "report.json").write_text(json.dumps(content), "utf-8")
    found = export(project / "model/net.tflite", project, progress=False).report
    assert found.facts.labels == ("a", "b", "c") and found.runtime == "tflm"
    assert found.budget.limits == {} and found.facts.model_version == "0.0.0"


@pytest.mark.tool("cc")
def test_results_are_short(tmp_path: Path) -> None:
    """print() and the echo of a notebook show a summary."""
    (tmp_path / "net.tflite").write_bytes(image_net())
    data = np.random.default_rng(0).normal(size=(20, *image_shape())).astype(np.float32)
    deep = tmp_path / ("x" * 200) / ("y" * 200)
    result = export(
        tmp_path / "net.tflite",
        deep,
        name="net",
        test_data=(data, np.zeros(20, int)),
        progress=False,
    )
    for text in (repr(result), str(result), repr(result.report), str(result.report)):
        assert len(text) < 500
        assert "net" in text
    assert "equal to TensorFlow Lite Micro on" in str(result)
    assert "accuracy: int8" in str(result)
    shutil.rmtree(tmp_path / ("x" * 200))


def image_shape() -> tuple[int, ...]:
    from tflm_ext.frontend import input_ports, read_graph

    return input_ports(read_graph(image_net(), "net"))[0].shape[1:]
