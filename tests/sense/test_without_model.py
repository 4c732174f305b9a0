"""Projects of pipelines that compute their score themselves: there is no model."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflm_ext
from tests.conftest import ROOT
from tests.device.test_client import run_program, terminal
from tests.sense.families import net, pipeline
from tflm_ext import sense
from tflm_ext.cli import main
from tflm_ext.errors import BudgetError, ConfigError, VerificationError
from tflm_ext.recheck import inspect_project, verify_project
from tflm_ext.replay import replay_project

CXX = ["g++", "-std=c++11", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow"]
CXX += ["-Wundef", "-Wdouble-promotion", "-Werror"]


LEARNING = sense.Pipeline(
    sense.Microphone(),
    sense.Frames(256, hop=200),
    sense.LogMel(9, subtraction=None, pcan=None),
    sense.Normal(learn_windows=50),
    decide=sense.Alarm(average=2, needed=1, of=3, quiet_seconds=0.1, on=20.0),
)


def machine(seconds: float = 3.0) -> Any:
    """A sound that becomes louder in the middle."""
    sound = np.random.default_rng(0).normal(0, 300, int(16_000 * seconds))
    sound[len(sound) // 2 :] *= 40
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "fan"
    tflm_ext.export(None, folder, [machine()[:20_000]], pipeline=LEARNING, progress=False)
    return folder


@pytest.fixture
def project(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "fan")


def program_of(project: Path) -> Path:
    """The host program, without a warning."""
    library = project / "lib" / "Fan" / "src"
    program = project.parent / "program"
    unit = library / "fan_sense.c"
    subprocess.run(["gcc", "-std=c99", "-O1", "-c", unit, "-o", "fan.o"], cwd=project, check=True)
    sources = [*(str(project / "src" / name) for name in ("main.cpp", "app.cpp", "sensor.cpp"))]
    sources.append(str(project / "fan.o"))
    subprocess.run([*CXX, f"-I{library}", *sources, "-o", str(program)], check=True)
    return program


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.tool("gcc", "g++")
def test_report_and_files(exported: Path) -> None:
    report = json.loads((exported / "report.json").read_text("utf-8"))
    own = LEARNING
    assert report["options"]["runtime"] == "none"
    assert report["model"]["sha256"] == report["pipeline"]["sha256"] == own.sha256
    assert report["model"]["inputs"] == report["model"]["outputs"] == report["operators"] == []
    assert report["pipeline"]["frames"] >= 2000
    assert "verification" not in report
    files = content(exported)
    assert files["model/pipeline.json"].decode() == own.to_json()
    assert not [path for path in files if "test_model" in path or path.endswith(".tflite")]
    for path, text in files.items():
        if path.endswith((".c", ".h", ".cpp", ".ino", ".md", ".ini", ".txt", ".yml")):
            assert b"_model.h" not in text, path
            assert "tflm_ext/" in path or b"TensorFlow" not in text, path


@pytest.mark.tool("gcc", "g++")
def test_verify_and_inspect(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = verify_project(exported, seed=3)
    assert (found.inputs, found.tensors, found.golden) == (0, 0, 0)
    assert found.frames is not None
    assert found.frames >= 2000
    assert main(["verify", str(exported), "--seed", "3"]) == 0
    assert f"equal to NumPy on this computer: {found.frames:,} frames" in capsys.readouterr().out
    assert main(["inspect", str(exported)]) == 0
    text = capsys.readouterr().out
    assert "ms from a cause to its event" in text
    assert "MACs" not in text
    assert inspect_project(exported).pipeline is not None


@pytest.mark.tool("gcc", "g++")
def test_wrong_c_is_found(project: Path) -> None:
    source = project / "lib/Fan/src/fan_sense.c"
    text = source.read_text("utf-8")
    assert text.count(".needed = 1,") == 1
    source.write_text(text.replace(".needed = 1,", ".needed = 2,"), "utf-8")
    with pytest.raises(VerificationError, match="Alarm differs from NumPy"):
        verify_project(project, seed=3)


@pytest.mark.tool("gcc", "g++")
def test_wrong_pipeline_is_found(project: Path) -> None:
    (project / "model/pipeline.json").write_text(pipeline("k_means").to_json(), "utf-8")
    with pytest.raises(VerificationError, match=r"pipeline\.json is not the pipeline that was"):
        verify_project(project)


@pytest.mark.tool("gcc", "g++")
def test_replay_finds_the_event(exported: Path) -> None:
    found = replay_project(exported, machine())
    own = LEARNING
    windows = own.quantized(machine())
    (alarm,) = own.after(None)
    decisions = alarm.run(windows, alarm.start())[0]
    assert [event.window for event in found.events] == np.flatnonzero(decisions[:, 0]).tolist()
    assert found.events
    assert 1.5 < found.events[0].seconds < 1.6
    assert found.outputs.size == 0


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_board(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def verify() -> tuple[int, str]:
        with terminal(run_program(program_of(project))) as port:
            status = main(["verify", str(project), "--port", port])
        return status, "".join(capsys.readouterr())

    status, text = verify()
    assert not status, text
    assert "equal to NumPy on the board" in text
    header = project / "src/golden.h"
    before = header.read_text("utf-8")
    scores = before.index("golden_scores")
    header.write_text(before[:scores] + before[scores:].replace("= {\n", "= {\n1 + ", 1), "utf-8")
    status, text = verify()
    assert status
    assert "golden windows" in text


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_build_test_and_bench(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("test", "test -e cortex_m4", "build -e cortex_m4", "bench"):
        name, *options = command.split()
        assert main([name, str(project), *options]) == 0, command
    text = capsys.readouterr().out
    assert "test_golden_recording" in text
    assert "pipeline: " in text
    assert "MACs" not in text
    on_core = replay_project(project, machine(), "cortex_m4")
    assert on_core.events == replay_project(project, machine()).events


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++", "arm-none-eabi-g++")
def test_sketch_compiles_for_the_board(exported: Path, tmp_path: Path) -> None:
    core = ROOT / "tests/arduino/hardware/tflm_ext/emulated/cores/m4"
    library = exported / "lib/Fan"
    text = (library / "examples/Fan/Fan.ino").read_text("utf-8")
    (tmp_path / "Fan.cpp").write_text("#include <Arduino.h>\n" + text, "utf-8")
    include = [f"-I{core}", f"-I{library}/src", f"-I{library}/examples/Fan"]
    flags = ["-mcpu=cortex-m4", "-mthumb", "-Os", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    subprocess.run(["arm-none-eabi-g++", *flags, *include, "Fan.cpp"], cwd=tmp_path, check=True)


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
@pytest.mark.parametrize("name", ["k_means", "mahalanobis"])
@pytest.mark.parametrize("decide", [True, False])
def test_every_score(name: str, decide: bool, tmp_path: Path) -> None:
    own = pipeline(name)
    if not decide:
        own = own.with_decision(None)
    result = tflm_ext.export(None, tmp_path / "fan", pipeline=own, progress=False)
    assert result.report.pipeline is not None
    assert result.test("native").passed == 4
    found = result.replay(machine())
    windows = own.quantized(machine())
    assert found.windows == len(found.scores) == len(windows)
    if not decide:
        np.testing.assert_allclose(found.scores, windows[:, 0] * own.out.scale)


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_export_again(exported: Path, tmp_path: Path) -> None:
    """The line of the README regenerates a project that used no recordings."""
    first = tmp_path / "first"
    own = tmp_path / "fan.json"
    own.write_text(LEARNING.to_json(), "utf-8")
    arguments = ["export", "--pipeline", str(own), "-o", str(first), "--name", "fan", "--quiet"]
    assert main([*arguments, "--board", "raspberry_pi_pico", "--version", "1.2.3"]) == 0
    line = next(
        line.strip()
        for line in (first / "README.md").read_text("utf-8").splitlines()
        if line.startswith("    tflm-ext export")
    )
    second = shutil.move(first, tmp_path / "second")
    before = content(second)
    words = [word.replace("model/", f"{second}/model/") for word in line.split()[1:]]
    words[words.index(".")] = str(second)
    assert main([*words, "--quiet"]) == 0
    assert content(second) == before
    tflm_ext.export(None, second, progress=False)  # takes the pipeline of the earlier export
    assert content(second) == before


def refused(call: Callable[[], object], folder: Path) -> tuple[str, str]:
    """Message and hint of an export that leaves nothing."""
    with pytest.raises(ConfigError) as error:
        call()
    assert not folder.exists()
    return error.value.problem, error.value.hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither a model nor a pipeline"),
        ({"pipeline": pipeline("keyword")}, "gives features for a model"),
        ({"pipeline": sense.Pipeline(sense.Microphone(), sense.Frames(64), sense.LogMel(8),
                                     sense.KMeans(3))}, "is not fitted"),
        ({"pipeline": LEARNING, "labels": ["a", "b"]}, "labels is for a model"),
        ({"pipeline": LEARNING, "test_data": ([], [])}, "test_data is for a model"),
        ({"pipeline": LEARNING, "runtime": "tflm"}, "runtime is for a model"),
        ({"pipeline": LEARNING, "encoding": "auto"}, "encoding is for a model"),
        ({"pipeline": LEARNING, "calibration_data": ["x.wav"]}, "x.wav"),
    ],
)  # fmt: skip
def test_bad_input(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    problem, hint = refused(
        lambda: tflm_ext.export(None, folder, progress=False, **options), folder
    )
    assert message in problem
    assert hint


def test_a_model_that_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(net(pipeline("keyword")))
    folder = tmp_path / "out"
    _, hint = refused(
        lambda: tflm_ext.export(tmp_path / "net.tflite", folder, pipeline=LEARNING),
        folder,
    )
    assert "Pass None instead of the model" in hint


def test_a_pipeline_in_the_place_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "fan.json"
    path.write_text(LEARNING.to_json(), "utf-8")
    for given in (LEARNING, path, str(path)):
        problem, hint = refused(
            lambda given=given: tflm_ext.export(given, tmp_path / "out"),  # type: ignore[misc]
            tmp_path / "out",
        )
        assert "is a pipeline, not a model" in problem
        assert "--pipeline" in hint


def test_command_line_without_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: There is neither a model nor a pipeline.")


def test_memory(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="bytes of RAM"):
        tflm_ext.export(
            None,
            tmp_path / "out",
            pipeline=LEARNING,
            budget={"ram_bytes": 500},
            progress=False,
        )
    assert not (tmp_path / "out").exists()
