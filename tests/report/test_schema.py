"""Every JSON of ours keeps to the one schema, and says nothing of this computer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.models import image_net, two_headed_net
from tflm_ext import export
from tflm_ext.api import inspect_model
from tflm_ext.cli import main
from tflm_ext.emit.escape import printable
from tflm_ext.ir import Graph
from tflm_ext.passes import run

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/reference/report.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

needs_compiler = pytest.mark.tool("cc")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schema")
    (folder / "net.tflite").write_bytes(image_net())
    generator = np.random.default_rng(0)
    data = generator.uniform(0, 1, (20, 6, 6, 2)), generator.integers(0, 3, 20)
    return export(
        folder / "net.tflite", folder / "net", test_data=data, labels=["a", "b*/", "c\n"]
    ).folder


def check(text: str) -> dict[str, Any]:
    """Valid, keys sorted, and without what differs between computers."""
    found: dict[str, Any] = json.loads(text)
    VALIDATOR.validate(found)
    assert text == json.dumps(found, indent=2, sort_keys=True) + "\n"
    for secret in (str(Path.home()), str(ROOT), sys.prefix, "/tmp", "/usr", "seconds"):
        assert f'"{secret}' not in text
        assert f"{secret}/" not in text
    return found


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return check(captured.out)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@needs_compiler
def test_report_of_an_export(exported: Path) -> None:
    report = check((exported / "report.json").read_text("utf-8"))
    assert report["verification"]["mismatches"] == 0
    assert report["accuracy"]["samples"] == 20
    assert report["accuracy"]["float_model"] is None
    assert report["model"]["labels"] == ["a", "b*/", "c"]
    assert report["flash"]["total_bytes"] == (
        report["flash"]["weight_bytes"] + report["flash"]["code_bytes"]
    )
    lying = {
        p.relative_to(exported).as_posix(): p for p in exported.rglob("*") if p.is_file()
    }.keys()
    assert {file["path"] for file in report["files"]} | {"report.json"} == lying


def test_encode_prints_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.tflite").write_bytes(image_net())
    model, output = str(tmp_path / "net.tflite"), str(tmp_path / "encoded.tflite")
    found = printed(capsys, "encode", model, "-o", output, "--methods", "huffman", "--quiet")
    assert {row["reason"] for row in found["encode"]["plain"]} >= {"int32, not int8"}


@needs_compiler
def test_export_prints_its_report(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(exported / "model" / "net.tflite")
    found = printed(capsys, "export", model, "-o", str(tmp_path / "net"))
    assert found == json.loads((tmp_path / "net" / "report.json").read_text("utf-8"))
    assert "accuracy" not in found


@pytest.mark.parametrize("net", [image_net, two_headed_net])
def test_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str], net: Any) -> None:
    path = tmp_path / "some model.tflite"
    path.write_bytes(net())
    found = printed(capsys, "inspect", str(path))
    assert found["files"] == []
    assert "verification" not in found
    assert found["model"]["name"] == "some_model"


@needs_compiler
def test_a_rewrite_that_failed_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(graph: Graph) -> Graph:
        raise IndexError("no channel 7")

    (tmp_path / "net.tflite").write_bytes(image_net())
    monkeypatch.setattr(run, "REWRITES", (("drop channels", fails), *run.REWRITES[1:]))
    monkeypatch.delenv(run.STRICT_VARIABLE)
    arguments = ("export", str(tmp_path / "net.tflite"), "-o", str(tmp_path / "net"))
    report = printed(capsys, *arguments)
    assert report["passes_left_out"] == [
        {"name": "drop channels", "problem": "IndexError: no channel 7"}
    ]
    (warning,) = report["warnings"]
    assert warning == (
        "the rewrite 'drop channels' failed on this model and was left out (IndexError: no channel "
        "7); the export is correct, but may be larger and slower. Please report this bug."
    )
    assert report["verification"]["mismatches"] == 0
    assert main(["inspect", str(tmp_path / "net.tflite")]) == 0
    assert f"warning: {printable(warning)}" in capsys.readouterr().out


@needs_compiler
def test_verify(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "verify", str(exported), "--seed", "7")["verify"]
    assert found == {
        "edited": [],
        "golden": 8,
        "inputs": 64,
        "mismatches": 0,
        "seed": 7,
        "target": "host",
        "tensors": 5,
    }


def test_boards(capsys: pytest.CaptureFixture[str]) -> None:
    names = [board["name"] for board in printed(capsys, "boards")["boards"]]
    assert "nano33ble_sense" in names


@pytest.mark.slow
def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    findings = check(capsys.readouterr().out)["findings"]
    assert code == (0 if all(f["ok"] for f in findings if f["required"]) else 5)


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_build_and_test(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = printed(capsys, "build", str(exported))["build"]
    assert built["program"] == ".pio/build/native/program"
    assert (exported / built["program"]).is_file()
    tested = printed(capsys, "test", str(exported))["test"]
    assert (tested["passed"], tested["failed"]) == (6, 0)


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(image_net())
    report = inspect_model(path).to_dict()
    VALIDATOR.validate(report)
    VALIDATOR.validate(report | {"compression": {"steps": [{"method": "pruning"}]}})
    for broken in (
        report | {"time": "now"},
        report | {"schema": 2},
        {key: value for key, value in report.items() if key != "memory"},
        report | {"build": {}},
    ):
        assert not VALIDATOR.is_valid(broken)
