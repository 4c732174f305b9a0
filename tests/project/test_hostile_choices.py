"""Choices in report.json that no export wrote do not stop the next export."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models import two_headed_net
from tflm_ext import export
from tflm_ext.chosen import make_options
from tflm_ext.errors import TflmExtError
from tflm_ext.project.choices import earlier_choices

OUTSIDE = "$(touch x) `y` \"); */ '\n\x1b[2J"
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**70, 1e308, "", "\n", "x" * 100_000, "\ud800", "\x00"),
    *(OUTSIDE, "../../etc/passwd", "1.2.3\n", 'https://example.org/"', "https://[", "1.2.0-01"),
    *([], [[]], {}, {"a": 1}, ["a"], [""], ["a", "a"], ["a", 1], ["auto", "lut"], {"": "lut"}),
    *([OUTSIDE] * 3, [{}], [None], {"flash_bytes": -1}, {"flash_bytes": True}, {OUTSIDE: OUTSIDE}),
)
KEYS: tuple[tuple[Any, ...], ...] = (
    *((), ("model",), ("options",), ("tool",), ("tool", "name")),
    *(("options", key) for key in ("budget", "encoding", "encoding_by_tensor", "board")),
    *(("options", key) for key in ("runtime", "optimize")),
    *(("model", key) for key in ("version", "url", "labels", "sha256", "name")),
    *(("model", key) for key in ("inputs", "outputs")),
    *(
        ("model", side, place, *key)
        for side in ("inputs", "outputs")
        for place in (0, 1)
        for key in ((), ("port_name",), ("c_name",), ("labels",), ("name",))
    ),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "net.tflite").write_bytes(two_headed_net())
    options = {"version": "1.0.0", "url": "https://example.org/x", "budget": {"macs": 10**9}}
    return export(folder / "net.tflite", folder / "net", progress=False, **options).folder


def damaged(content: Any, key: tuple[Any, ...]) -> Iterator[Any]:
    """The content of a report with each of the values in the place of one."""
    for value in VALUES:
        found = copy.deepcopy(content)
        place = found
        for step in key[:-1]:
            place = place[step]
        if key:
            place[key[-1]] = value
        yield found if key else value


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ".".join(map(str, key)) or "report")
def test_nothing_but_errors_for_users(key: tuple[Any, ...], project: Path, tmp_path: Path) -> None:
    """What cannot be a choice is left out; what the user may have removed since is named."""
    content = json.loads((project / "report.json").read_bytes())
    named = []
    for wrong in damaged(content, key):
        (tmp_path / "report.json").write_text(json.dumps(wrong), "utf-8")
        found = earlier_choices(tmp_path)
        try:
            options = make_options("net", earlier=found, project=tmp_path)
        except TflmExtError as error:
            named.append(error)
            assert max(len(error.problem), len(error.hint)) < 400
        else:
            assert options.url.isprintable() and "\n" not in options.version
    assert not named or key in (("options", "board"), ("options", "runtime")), named[0]


@pytest.mark.tool("cc")
@pytest.mark.parametrize(
    ("names", "symbols"),
    [
        (["a"], ["input_left", "input1"]),  # as if there were none
        (["a", "b", "c"], ["input_left", "input1"]),
        (["a", "a"], ["input0", "input1"]),
        ([OUTSIDE, "x" * 5000], ["input_touch_x_y_2j", "input_" + "x" * 24]),
    ],
    ids=["one", "three", "equal", "hostile"],
)
def test_names_of_ports_that_the_model_cannot_have(
    names: list[str], symbols: list[str], project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    shutil.copytree(project, folder)
    content = json.loads((folder / "report.json").read_bytes())
    (first, *_), outputs = content["model"]["inputs"], content["model"]["outputs"]
    content["model"]["inputs"] = [{**first, "port_name": name} for name in names]
    content["model"]["outputs"] = [{**port, "port_name": ""} for port in outputs]
    (folder / "report.json").write_text(json.dumps(content), "utf-8")
    again = export(folder / "model/net.tflite", folder, progress=False)
    assert [port.symbol for port in again.report.facts.inputs] == symbols
    for file in again.folder.rglob("*"):
        if file.is_file() and file.suffix not in (".md", ".zip", ".json"):
            assert b"$(touch" not in file.read_bytes(), file
