"""The examples: what `make demo` promises, and platformio_projects/ as the exporter writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
COMMITTED = ROOT / "platformio_projects"

pytestmark = pytest.mark.slow


def run(script: str, folder: Path) -> str:
    """Run an example as a user does; its standard output."""
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / script), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def report(project: Path) -> dict[str, Any]:
    return json.loads((project / "report.json").read_text())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("demo.py", folder)


@pytest.mark.tool("cc")
def test_demo_keeps_its_promises(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    found = report(folder / "digits")
    accuracy = found["accuracy"]
    assert accuracy["samples"] == 450
    assert accuracy["float_model"] >= 0.98
    assert accuracy["int8_tflm"] >= 0.98
    assert accuracy["int8_c"] == accuracy["int8_tflm"]
    assert found["model"]["macs"] == 116_352
    assert 44_000 < (folder / "digits/model/digits.tflite").stat().st_size < 46_000
    small = report(folder / "compressed")
    assert small["flash"]["weight_bytes"] < found["flash"]["weight_bytes"] / 2
    assert small["model"]["macs"] < found["model"]["macs"] / 2
    assert small["accuracy"]["int8_c"] >= 0.97
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines()]
    for row in (
        ["float", f"{accuracy['float_model']:.3f}", "116,352", "", "", ""],
        ["int8", *_cells(found)],
        ["compressed int8", *_cells(small)],
    ):
        assert any(row == [*cells[:4], row[4], *cells[5:]] for cells in rows if len(cells) == 6)
    commands = printed.split("Go on with:\n")[1].splitlines()
    assert [command.split()[1] for command in commands] == ["inspect", "verify", "test"]


def _cells(found: dict[str, Any]) -> list[str]:
    """What the table says; the code is measured, not estimated, where there is a compiler."""
    sizes = (found["flash"]["weight_bytes"], "", found["memory"]["context_bytes"])
    return [
        f"{found['accuracy']['int8_c']:.3f}",
        *(f"{size:,}" if size else "" for size in (found["model"]["macs"], *sizes)),
    ]


@pytest.mark.tool("cc")
def test_the_images_for_testing_are_seen_by_nothing_else(demo: tuple[Path, str]) -> None:
    calibration, test, train, validation = (
        np.load(demo[0] / f"{name}.npz") for name in ("calibration", "test", "train", "validation")
    )
    assert (calibration["x"].shape, test["x"].shape) == ((200, 8, 8, 1), (450, 8, 8, 1))
    assert test["y"].shape == (450,)
    assert (len(train["x"]), len(validation["x"])) == (5 * 1147, 200)
    for other in (calibration, train, validation):
        seen = {image.tobytes() for image in other["x"]}
        assert not seen & {image.tobytes() for image in test["x"]}


@pytest.mark.tool("cc")
def test_vibration_trains_and_exports(tmp_path: Path) -> None:
    run("vibration/train.py", tmp_path)
    test = np.load(tmp_path / "test.npz")
    assert np.abs(test["x"]).max() <= 1.0
    assert sorted(np.bincount(test["y"])) == [100] * 5
    result = tflm_ext.export(
        tmp_path / "vibration.keras",
        tmp_path / "vibration",
        calibration_data=np.load(tmp_path / "calibration.npz")["x"],
        test_data=(test["x"], test["y"]),
    )
    assert report(result.folder)["accuracy"]["int8_c"] >= 0.94


@pytest.mark.tool("cc")
def test_platformio_projects_are_what_the_exporter_writes(tmp_path: Path) -> None:
    run("regenerate.py", tmp_path)
    for name in ("digits", "vibration"):
        files = {f["path"] for f in report(tmp_path / name)["files"]} | {"report.json"}
        for path in sorted(files):
            fresh, committed = tmp_path / name / path, COMMITTED / name / path
            assert committed.exists(), f"{path} is missing; run `make examples`"
            assert committed.read_bytes() == fresh.read_bytes(), f"{path}: run `make examples`"
        listed = subprocess.run(
            ["git", "ls-files", "-z", str(COMMITTED / name)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        tracked = {
            Path(path).relative_to(f"platformio_projects/{name}").as_posix()
            for path in listed.split("\0")
            if path
        }
        assert tracked == files
