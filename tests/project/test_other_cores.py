"""Boards with other cores, and the user's own boards, from the export to the emulated core."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path

import pytest

from tests.models import image_net
from tflm_ext import export
from tflm_ext.bench import bench
from tflm_ext.cli import main
from tflm_ext.frontend import read_graph
from tflm_ext.passes import run_passes
from tflm_ext.plan import make_plan
from tflm_ext.recheck import open_project, verify_project
from tflm_ext.targets import Board, board, boards, core, default_board

OTHERS = [known for known in boards() if known.core is not default_board().core]
BOARDS = resources.files("tflm_ext.targets").joinpath("boards")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(image_net())
    return path


@pytest.mark.slow
@pytest.mark.tool("cc", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
@pytest.mark.parametrize("other", OTHERS, ids=lambda other: other.name)
def test_a_board_with_another_core(other: Board, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    result = export(model, folder, board=other.name, progress=False)
    ini = (folder / "platformio.ini").read_text("utf-8")
    assert f"[env:{other.core.environment}]" in ini and "cortex_m4" not in ini
    assert f"[env:{other.environment}]\nplatform = {other.platform}\n" in ini
    assert f"--board {other.name}" in (folder / "README.md").read_text("utf-8")
    assert result.test(other.core.environment).passed == 6
    found = bench(folder)
    assert found.core == other.core.name
    assert found.milliseconds is None  # no ratio is published
    assert (found.cycles is None) == (other.core.cycle_model is None)
    assert ("not tuned" in str(found)) == (not other.core.dsp)
    estimated = sum(step.option.instructions for step in open_project(folder).analysis.plan.steps)
    traced = sum(row.instructions for row in found.operators)
    assert abs(estimated - traced) < 0.3 * traced


def test_the_planner_goes_by_the_core() -> None:
    graph = run_passes(read_graph(image_net())).graph
    m4, m0 = (make_plan(graph, core=core(name)) for name in ("cortex-m4", "cortex-m0plus"))
    assert m4.code_bytes != m0.code_bytes
    assert [s.option.cycles for s in m4.steps] != [s.option.cycles for s in m0.steps]
    m7 = make_plan(graph, core=core("cortex-m7"))
    assert [s.option.cycles for s in m7.steps] == [s.option.instructions for s in m7.steps]


@pytest.mark.slow
@pytest.mark.tool("cc")
def test_a_board_of_the_user(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project keeps the board's file, so the original is no longer needed."""
    mine = tmp_path / "small_one.toml"
    text = BOARDS.joinpath("raspberry_pi_pico.toml").read_text("utf-8")
    mine.write_text(text.replace("ram_bytes = 270_336", "ram_bytes = 98_304"), "utf-8")
    folder = tmp_path / "net"
    result = export(model, folder, board=str(mine), progress=False)
    assert result.report.board == "small_one"
    mine.unlink()
    assert open_project(folder).options.board.usable_ram_bytes == 98_304 - 65_536
    assert verify_project(folder).golden > 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.chdir(folder)
    command = open_project(folder).analysis.facts.command
    assert "--board model/small_one.toml" in command
    assert main([*shlex.split(command)[1:], "--quiet"]) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_project_that_names_a_board_elsewhere(tmp_path: Path, model: Path) -> None:
    """The name in report.json is not a path."""
    folder = tmp_path / "net"
    export(model, folder, runtime="tflm", progress=False)
    (tmp_path / "evil.toml").write_text("title = 1", "utf-8")
    report = folder / "report.json"
    text = report.read_text("utf-8")
    report.write_text(text.replace(f'"{board("nano33ble_sense").name}"', '"../../evil"'), "utf-8")
    assert main(["inspect", str(folder)]) == 2
