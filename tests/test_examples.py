"""The examples: what `make demo` promises, and platformio_projects/ as the exporter writes it."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tflm_ext.replay import replay_project

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
    commands = printed.split("Next steps:\n")[1].splitlines()
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
def test_machine_sounds_tell_faulty_fans_in_float_and_int8(tmp_path: Path) -> None:
    import keras
    from sklearn.metrics import roc_auc_score

    run("machine_sounds/train.py", tmp_path)
    test, scaling = np.load(tmp_path / "test.npz"), np.load(tmp_path / "scaling.npz")
    calibration = np.load(tmp_path / "calibration.npz")["x"]
    x, y = test["x"], test["y"]
    assert (x.shape, calibration.shape) == ((400, 12, 640), (400, 640))
    assert np.bincount(y).tolist() == [200, 50, 50, 50, 50]
    assert np.abs(x).max() <= 4.0
    assert scaling["mean"].shape == scaling["deviation"].shape == (128,)
    assert scaling["deviation"].min() > 0.5  # decibels

    windows = x.reshape(-1, 640)
    model = keras.models.load_model(tmp_path / "machine_sounds.keras")
    errors = (model.predict(windows, verbose=0).reshape(x.shape) - x) ** 2
    score = errors.mean(axis=(1, 2))
    assert 0.85 <= roc_auc_score(y > 0, score) <= 0.98
    for state in (1, 2, 3, 4):
        chosen = (y == 0) | (y == state)
        assert roc_auc_score(y[chosen] > 0, score[chosen]) >= 0.75

    few = windows[::12]
    result = tflm_ext.export(
        tmp_path / "machine_sounds.keras",
        tmp_path / "machine_sounds",
        calibration_data=calibration,
        test_data=(few, few),
    )
    found = report(result.folder)["accuracy"]
    assert found["metric"] == "mean_absolute_error"
    assert found["int8_c"] == found["int8_tflm"] == pytest.approx(found["float_model"], rel=0.03)


def test_features_of_machine_sounds() -> None:
    sounds = runpy.run_path(str(EXAMPLES / "machine_sounds/train.py"))
    assert sounds["mel_filters"]().sum(axis=0) == pytest.approx(np.ones(128))
    # 1 kHz is 15 mel of Slaney's scale, and 8 kHz, the last edge of 129 steps, 45.245.
    tone = np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    spectrum = sounds["log_mel"](tone)
    assert spectrum.shape == (61, 128)
    assert set(spectrum.argmax(axis=1)) == {round(15 / 45.245 * 129) - 1}
    # A window is five frames in a row, the first one first, standardised and limited.
    frames = np.arange(11)[:, np.newaxis] * np.ones(128)
    scaling = sounds["Scaling"](np.full(128, 3.0), np.full(128, 2.0))
    windows = scaling.windows(frames[np.newaxis], 3)
    assert windows.shape == (1, 3, 640)
    assert windows[0, 1].reshape(5, 128)[:, 7].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert windows[0, 2].max() == 3.5
    assert scaling.windows(frames[np.newaxis] + 90, 3).max() == 4.0


@pytest.mark.tool("cc", "qemu-system-arm", "arm-none-eabi-gcc", "arm-none-eabi-g++")
def test_the_committed_words_are_heard() -> None:
    """On host and core; test_platformio_projects_are_what_the_exporter_writes() has the rest."""
    found = report(COMMITTED / "keyword")
    assert found["accuracy"]["int8_c"] >= 0.93
    for environment in ("native", "cortex_m4"):
        replay = replay_project(COMMITTED / "keyword", EXAMPLES / "keyword/words.wav", environment)
        assert [event.name for event in replay.events] == ["stop", "start"]


@pytest.mark.tool("cc", "espeak-ng")
def test_words_of_unseen_voices() -> None:
    """Streams that the committed model was neither trained nor shown with."""
    command = [
        sys.executable,
        str(EXAMPLES / "keyword/evaluate.py"),
        str(COMMITTED / "keyword"),
        "8",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    match = re.fullmatch(
        r"(\d+) of (\d+) words found \(start and stop\), (\d+) called by the other name, "
        r"(\d+) false alarms in 3.2 minutes of speech\n",
        done.stdout,
    )
    assert match is not None
    found, words, confused, false = map(int, match.groups())
    assert words >= 25
    assert found >= 0.7 * words
    assert confused <= 3
    assert false <= 6


@pytest.mark.tool("espeak-ng")
def test_words_are_learnt() -> None:
    """A short form of the training."""
    module = runpy.run_path(str(EXAMPLES / "keyword/train.py"))
    x, y = module["dataset"](module["streams"](10, 7), np.random.default_rng(0))
    model = module["fit"](x, y, epochs=25, progress=False)
    found = model.predict(x, verbose=0).argmax(axis=1)
    for label in range(3):
        assert (found[y == label] == label).mean() >= 0.8


@pytest.mark.tool("cc")
def test_platformio_projects_are_what_the_exporter_writes(tmp_path: Path) -> None:
    run("regenerate.py", tmp_path)
    for name in ("digits", "keyword", "vibration"):
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
        # The user's file is written once, so reports do not list it.
        users = {"src/app.cpp"} if (COMMITTED / name / "src/app.cpp").exists() else set()
        assert tracked == files | users
        for path in users:
            fresh = (tmp_path / name / path).read_bytes()
            assert (COMMITTED / name / path).read_bytes() == fresh, f"{path}: run `make examples`"
