"""tflm-ext inspect --passes: what is shown of rewrites and plan, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.models import image_net, two_headed_net
from tests.passes.test_drop_channels import chain
from tests.report.test_schema import check
from tests.tflite_builder import ModelBuilder
from tflm_ext import export
from tflm_ext.cli import main

DEAD = [i < 6 for i in range(16)]


def inspect(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str) -> str:
    assert main(["inspect", str(path), "--passes", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def as_json(capsys: pytest.CaptureFixture[str], path: Path) -> dict[str, Any]:
    return check(inspect(capsys, path, "--json"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "net.tflite").write_bytes(chain(DEAD))
    return tmp_path / "net.tflite"


def test_text(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = inspect(capsys, path)
    start, plan = shown.index("as read: "), shown.index("\nplan: ")
    assert shown.index("MACs  ") < start
    lost = "4 of 16 channels are always -128, for all inputs of the model: 0, 1, 2, 3"
    assert shown[start:plan] == (
        f"""\
as read: 3 operators, 3 computed tensors, 1,740 bytes of constants
      0 CONV_2D            0 net/layer0/Op 1x6x5x3 -> 1 net/layer1/Op 1x6x5x16
      1 DEPTHWISE_CONV_2D  1 net/layer1/Op 1x6x5x16 -> 4 net/layer4/Op 1x6x5x16
      2 CONV_2D            4 net/layer4/Op 1x6x5x16 -> 7 net/layer7/Op 1x6x5x7

drop channels: 3 operators, 3 computed tensors, 3,052 bytes of constants
  * tensor 1 net/layer1/Op changed: {lost}
  * tensor 4 net/layer4/Op changed: {lost}
  * operator 0 CONV_2D changed: weights 16x3x3x3 -> 12x3x3x3, writes 1x6x5x16 -> 1x6x5x12
  * operator 1 DEPTHWISE_CONV_2D changed: reads 1x6x5x16 -> 1x6x5x12, weights 1x3x3x16 -> \
1x3x3x12, writes 1x6x5x16 -> 1x6x5x12
  * operator 2 CONV_2D changed: reads 1x6x5x16 -> 1x6x5x12, weights 7x3x3x16 -> 7x3x3x12
  *   0 CONV_2D            0 net/layer0/Op 1x6x5x3 -> 10 net/layer1/Op 1x6x5x12
  *   1 DEPTHWISE_CONV_2D  10 net/layer1/Op 1x6x5x12 -> 11 net/layer4/Op 1x6x5x12
  *   2 CONV_2D            11 net/layer4/Op 1x6x5x12 -> 7 net/layer7/Op 1x6x5x7

remove unused: 3 operators, 3 computed tensors, 1,312 bytes of constants
  - tensor 2 net/layer2/Op removed: nothing reads its 432 bytes
  - tensor 3 net/layer3/Op removed: nothing reads its 64 bytes
  - tensor 5 net/layer5/Op removed: nothing reads its 144 bytes
  - tensor 6 net/layer6/Op removed: nothing reads its 64 bytes
  - tensor 8 net/layer8/Op removed: nothing reads its 1,008 bytes
  - tensor 9 net/layer9/Op removed: nothing reads its 28 bytes
"""
    )
    rows = shown[plan:].split("\n\n")[0].splitlines()[3:]
    found = as_json(capsys, path)["plan_detail"]
    assert len(rows) == len(found)
    for line, row in zip(rows, found, strict=True):
        offset, size, lifetime, what = line.replace(",", "").split(maxsplit=3)
        assert (int(offset), int(size)) == (row["offset_bytes"], row["size_bytes"])
        first = "start" if row["first_operator"] is None else row["first_operator"]
        last = "end" if row["last_operator"] is None else row["last_operator"]
        assert lifetime == f"{first}..{last}"
        scratch = row["tensor"] is None
        assert what.startswith("scratch" if scratch else f"tensor {row['tensor']} {row['name']} ")
        assert what.endswith(row["kernel"] or "x3")


def test_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, path)
    read, dropped, last = found["passes_detail"]
    assert (read["name"], read["changes"]) == ("read", [])
    assert [row["index"] for row in read["operators"]] == [0, 1, 2]
    assert dropped["name"] == "drop channels"
    assert [row["channels"] for row in dropped["changes"]][:2] == [[0, 1, 2, 3]] * 2
    assert last["name"] == "remove unused"
    shapes = {row["tensor"]: row["shape"] for row in last["tensors"]}
    outputs = [shapes[row["outputs"][0]] for row in last["operators"]]
    assert outputs == [row["outputs"][0] for row in found["operators"]]
    places = {row["tensor"]: row for row in found["plan_detail"] if row["tensor"] is not None}
    for row in found["memory"]["tensors"]:
        assert places[row["tensor"]]["offset_bytes"] == row["offset_bytes"]
        assert places[row["tensor"]]["size_bytes"] == row["size_bytes"]
    kernels = {row["index"]: row["kernel"] for row in found["operators"]}
    for row in found["plan_detail"]:
        assert row["kernel"] == kernels.get(row["operator"])


@pytest.mark.parametrize("net", [image_net, two_headed_net])
def test_the_rest_of_the_report_stays(
    net: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.tflite").write_bytes(net())
    found = as_json(capsys, tmp_path / "net.tflite")
    del found["passes_detail"], found["plan_detail"]
    assert main(["inspect", str(tmp_path / "net.tflite"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found


@pytest.mark.tool("cc")
def test_a_project_shows_the_same_as_its_model(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = export(path, path.parent / "net", progress=False).folder
    ours, of_model = as_json(capsys, folder), as_json(capsys, path)
    assert "passes_detail" not in json.loads((folder / "report.json").read_text("utf-8"))
    for key in ("passes_detail", "plan_detail"):
        assert ours[key] == of_model[key]


def test_the_interpreter_runs_the_model_as_it_is(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(path), "--passes", "--runtime", "tflm"]) == 2
    assert capsys.readouterr().err == (
        "error: The runtime tflm does not rewrite or plan the model: there are no "
        "details to show.\n"
        "hint: Inspect the .tflite with --runtime compiled.\n"
    )


def test_joined_names_are_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The converter joins the names of the operators that it fuses; lines are not broken."""
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1, name="x")
    y = b.tensor((1, 4), scale=0.1, name=";".join(f"net/conv/Part{i}" for i in range(40)))
    z = b.tensor((1, 2, 2), scale=0.1, name="z" * 100)
    b.operator("RELU", [x], [y])
    b.operator("RESHAPE", [y, b.constant([1, 2, 2])], [z])
    (tmp_path / "net.tflite").write_bytes(b.finish([x], [z]))
    shown = inspect(capsys, tmp_path / "net.tflite").splitlines()
    assert f"      1 RESHAPE            1 net/conv/Part0;... 1x4 -> 2 {'z' * 100} 1x2x2" in shown
    assert (
        "  - operator 1 RESHAPE removed: its output has the same bytes as tensor 1 "
        "net/conv/Part0;..."
    ) in shown


def test_names_do_not_command_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of tensors that are removed, aliased, and in the plan."""
    evil = "x\x1b[31m\r\n\x07\u202e\x9b2J"
    b = ModelBuilder()
    x = b.tensor((1, 4), scale=0.1, name=evil)
    y = b.tensor((1, 4), scale=0.1, name=f"{evil}/y")
    z, unused = (b.tensor((1, 2, 2), scale=0.1, name=f"{evil}/{name}") for name in "zu")
    shape = b.constant([1, 2, 2], name=f"{evil}/shape")
    b.operator("RELU", [x], [y])
    b.operator("RESHAPE", [y, shape], [z])
    b.operator("RELU", [z], [unused])
    (tmp_path / "net.tflite").write_bytes(b.finish([x], [z]))
    shown = inspect(capsys, tmp_path / "net.tflite")
    assert "operator 1 RESHAPE removed: its output has the same bytes as tensor 1 " in shown
    assert "operator 2 RELU removed: nothing reads its output" in shown
    assert all(line.isprintable() for line in shown.split("\n")), ascii(shown)
