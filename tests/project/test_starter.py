"""tflm-ext new: starters that run as they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tflm_ext.cli import main
from tflm_ext.errors import ConfigError, StorageError
from tflm_ext.project import starter
from tflm_ext.project.starter import STARTERS, starter_files, write_starter


@pytest.mark.slow
@pytest.mark.tool("cc")
@pytest.mark.parametrize("kind", STARTERS)
def test_it_runs(kind: str, tmp_path: Path) -> None:
    folder = write_starter(f"my_{kind}", kind, tmp_path / kind)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "pipeline equal to NumPy on" in done.stdout
    if kind == "machine":
        assert "found:    5 of 5 events" in done.stdout
    else:
        accuracy = float(done.stdout.split("accuracy: int8 ")[1].split(",")[0])
        assert accuracy >= 0.9
    command = [sys.executable, "-m", "tflm_ext.cli", "replay", "firmware", "recording.npy"]
    replay = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert replay.returncode == 0, replay.stderr
    events = int(replay.stdout.split("events: ")[1].split(" ")[0])
    assert events >= 1


@pytest.mark.parametrize("kind", STARTERS)
def test_its_code_is_tidy(kind: str, tmp_path: Path) -> None:
    folder = write_starter("a" * 20, kind, tmp_path / "new")
    assert {path.name for path in folder.iterdir()} == {"README.md", "data.py", "train.py"}
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["check", "--select", "E,F,I,UP,B,D1", "--ignore", "D100"]
    for command in (rules, ["format", "--check"]):
        options = ["--isolated", "--line-length", "100", "--no-cache"]
        done = subprocess.run(
            [*ruff, *command, *options], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_of_that_name_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fan").mkdir()
    assert main(["new", "fan", "--from", "machine"]) == 0
    assert "Run train.py there." in capsys.readouterr().out
    assert "fan" in (tmp_path / "fan/README.md").read_text()
    before = {path: path.read_bytes() for path in (tmp_path / "fan").iterdir()}
    assert main(["new", "fan", "--from", "keyword"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in (tmp_path / "fan").iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["fan"]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("9x", "machine", "not a valid name"),
        ("fan", "machin", "no starter 'machin'"),
        ("fan", "\x1b[2J", r"no starter '\\x1b"),
    ],
)
def test_wrong_values(name: str, kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        starter_files(name, kind)


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "fan").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_starter("fan", "machine", tmp_path / "fan")
    with pytest.raises(ConfigError, match="not a folder"):
        write_starter("fan", "machine", tmp_path / "fan" / "below")
    assert (tmp_path / "fan").read_text() == "mine"


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(starter, "write_files", full)
    with pytest.raises(StorageError, match="No space left"):
        write_starter("fan", "machine", tmp_path / "deep" / "fan")
    assert not list((tmp_path / "deep").iterdir())
