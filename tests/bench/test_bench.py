"""tflm-ext bench: figures by operator, of models and of projects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tflm_ext
from tests.models import image_net
from tests.report.test_schema import VALIDATOR
from tflm_ext.bench import bench
from tflm_ext.cli import main

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
    assert sum(row.macs for row in found.operators) == found.macs
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


def test_the_command(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(model), str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(found)
    assert len(found["bench"]) == 2
    assert found["bench"][0] == found["bench"][1]


def test_a_project_of_the_interpreter_is_no_compiled_one(model: Path, tmp_path: Path) -> None:
    folder = tflm_ext.export(model, tmp_path / "net", runtime="tflm", progress=False).folder
    with pytest.raises(tflm_ext.ConfigError, match="has runtime 'tflm'"):
        bench(folder)
