"""tflm-ext bench: figures by operator, of models and of projects."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import tflm_ext
from tests.models import image_net
from tests.report.test_schema import VALIDATOR
from tflm_ext.bench import bench
from tflm_ext.bench.opponents import Opponent, find_opponent
from tflm_ext.cli import main
from tflm_ext.recheck import inspect_project

pytestmark = pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(image_net())
    return path


def test_figures_by_operator(model: Path) -> None:
    found = bench(model)
    report = tflm_ext.api.inspect_model(model)
    assert [row.index for row in found.operators] == [step.index for step in report.plan.steps]
    assert sum(row.macs for row in found.operators) == report.plan.macs == found.macs
    # To look at the time after each operator takes some instructions, too.
    assert 0 <= sum(row.instructions for row in found.operators) - found.instructions < 800
    assert all(row.instructions > 0 for row in found.operators)
    assert found.weight_bytes == report.weight_bytes
    assert found.context_bytes == report.ram_bytes
    text = str(found)
    assert f"{found.instructions:,}" in text and "conv_2d_tile" in text


def test_a_project_is_measured_as_it_lies_there(model: Path, tmp_path: Path) -> None:
    folder = tflm_ext.export(model, tmp_path / "net", optimize="size", progress=False).folder
    found = bench(folder)
    assert found.optimize == "size"
    source = folder / "lib/Net/src/net_model.c"
    text = source.read_text("utf-8")
    slower = "    for (volatile int32_t i = 0; i < 1000; ++i) {\n    }\n    return NET_OK;\n}\n"
    head, _, _ = text.rpartition("    return NET_OK;\n}\n")
    source.write_text(head + slower, "utf-8")
    assert bench(folder).instructions > found.instructions + 3000


def test_what_was_measured_stays_beside_the_report(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tflm_ext.export(model, tmp_path / "net", progress=False).folder
    found = bench(folder)
    written = json.loads((folder / "bench.json").read_text("utf-8"))
    VALIDATOR.validate(written)
    assert written["bench"] == [json.loads(json.dumps(found.to_dict()))]
    capsys.readouterr()

    def shown() -> dict[str, Any]:
        assert main(["inspect", str(folder), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        VALIDATOR.validate(report)
        assert isinstance(report, dict)
        return report

    assert shown()["bench"] == written["bench"][0]
    assert main(["inspect", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{found.instructions:,}" in said and f"{found.cycles:,}" in said
    # The same files, rewritten, are still those that were measured; others are not.
    again = tflm_ext.export(model, folder, progress=False)
    assert again.report.bench == written["bench"][0]
    assert "bench" not in json.loads((folder / "report.json").read_text("utf-8"))
    other = tflm_ext.export(model, folder, optimize="size", progress=False)
    assert other.report.bench is None and "bench" not in shown()
    bench(folder)
    assert shown()["bench"]["optimize"] == "size"
    source = folder / "lib/Net/src/net_model.c"
    source.write_text(source.read_text("utf-8") + "/* edited */\n", "utf-8")
    assert "bench" not in shown()
    tflm_ext.export(model, folder, optimize="size", overwrite=True, progress=False)
    capsys.readouterr()
    whole = shown()["bench"]
    for name, value in (
        *(("instructions", "many"), ("compiler", 12), ("milliseconds", None)),
        *(("milliseconds", [1]), ("sources_sha256", None), ("core", {})),
    ):
        damaged = json.dumps({"bench": [whole | {name: value}]})
        (folder / "bench.json").write_text(damaged, "utf-8")
        assert "bench" not in shown()
    for text in ("{", "[]", '{"bench": []}', '{"bench": [7]}'):
        (folder / "bench.json").write_text(text, "utf-8")
        assert "bench" not in shown()


def test_a_damaged_score_is_no_crash(model: Path, tmp_path: Path) -> None:
    folder = tflm_ext.export(model, tmp_path / "net", progress=False).folder
    report = json.loads((folder / "report.json").read_text("utf-8"))
    scores = {"metric": "accuracy", "samples": 1, "int8_tflm": "good", "int8_c": 1.0}
    report["accuracy"] = scores | {"float_model": None}
    (folder / "report.json").write_text(json.dumps(report), "utf-8")
    with pytest.raises(tflm_ext.ConfigError, match=r"report\.json or model is damaged"):
        inspect_project(folder)


def test_inspecting_a_project_shows_its_report(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for runtime in ("compiled", "tflm"):
        folder = tmp_path / runtime
        tflm_ext.export(model, folder, runtime=runtime, labels=["a", "b", "c"], progress=False)
        capsys.readouterr()
        assert main(["inspect", str(folder), "--json"]) == 0
        assert capsys.readouterr().out == (folder / "report.json").read_text("utf-8")


def test_an_opponent_is_shown_beside(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    other = Opponent("Other", "version 1", 9_999_991, 9_999_992, 93, 94, 95)
    module = importlib.import_module("tflm_ext.bench.bench")  # the name bench means the function
    monkeypatch.setattr(module, "find_opponent", {digest: other}.get)
    text = str(bench(model))
    assert "Other: version 1" in text
    for figure in ("9,999,991", "9,999,992", "93", "94", "95"):
        assert f" {figure} " in text


def test_opponents_are_found_by_hash() -> None:
    rows = resources.files("tflm_ext.bench").joinpath("opponents.csv").read_text("utf-8")
    digests = [row["sha256"] for row in csv.DictReader(io.StringIO(rows))]
    assert len(digests) == len(set(digests)) == 5
    for sha256 in digests:
        found = find_opponent(sha256)
        assert found is not None and found.instructions < found.cycles
    assert find_opponent("0" * 64) is None


def test_the_command(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(model), str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(found)
    assert len(found["bench"]) == 2
    assert found["bench"][0] == found["bench"][1]


def test_a_project_of_the_interpreter_is_no_compiled_one(model: Path, tmp_path: Path) -> None:
    folder = tflm_ext.export(model, tmp_path / "net", runtime="tflm", progress=False).folder
    with pytest.raises(tflm_ext.ConfigError, match="has the runtime 'tflm'"):
        bench(folder)
