"""Recordings run through the C of a project, on this computer and on the emulated core."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.sense.recordings import clips
from tests.tflite_builder import ModelBuilder
from tflm_ext import export, sense
from tflm_ext.errors import ConfigError, VerificationError
from tflm_ext.replay import replay_project

PIPELINE = sense.Pipeline(
    sense.Microphone(),
    sense.Frames(480, 320),
    sense.LogMel(10),
    sense.Stack(4),
    decide=sense.Detect(average=2, needed=2, of=3, quiet_seconds=0.2, on=0.55),
)


def _classifier() -> bytes:
    """FULLY_CONNECTED and SOFTMAX: loud bands are class 1, quiet ones class 0."""
    builder = ModelBuilder()
    x = builder.tensor((1, 40), scale=PIPELINE.out.scale, zero_point=PIPELINE.out.zero_point)
    weights = np.array([[-3] * 40, [3] * 40], np.int8)
    w = builder.constant(weights, scale=0.01)
    b = builder.constant(np.array([20_000, -20_000], np.int32), scale=0.01 * PIPELINE.out.scale)
    y = builder.tensor((1, 2), scale=0.2)
    builder.operator("FULLY_CONNECTED", [x, w, b], [y], schema.FullyConnectedOptionsT())
    z = builder.tensor((1, 2), scale=1 / 256, zero_point=-128)
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    builder.operator("SOFTMAX", [y], [z], softmax)
    return builder.finish(inputs=[x], outputs=[z])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    (folder / "bell.tflite").write_bytes(_classifier())
    target = folder / "bell"
    result = export(
        folder / "bell.tflite",
        target,
        pipeline=PIPELINE,
        labels=["quiet", "loud"],
        progress=False,
    )
    assert result.report.pipeline is not None
    assert result.report.pipeline.frames >= 2000
    return target


def _evening() -> Any:
    random = np.random.default_rng(3)
    loudness = np.repeat([10, 8000, 10, 12_000, 10], 8000)
    return np.clip(random.normal(0, loudness), -32768, 32767).astype(np.int16)


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tflm_ext.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_events_are_those_of_numpy(project: Path) -> None:
    found = replay_project(project, _evening())
    assert found.windows == len(found.scores) == len(found.outputs) > 100
    assert [event.name for event in found.events].count("loud") >= 1
    assert found.duration == pytest.approx(2.5)
    assert all(0 < event.seconds <= 2.5 for event in found.events)
    assert f"events: {len(found.events)} in 2.500 s" in str(found)


@pytest.mark.slow
@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
def test_the_emulated_core_finds_the_same(project: Path) -> None:
    here, there = (replay_project(project, _evening(), e) for e in ("native", "cortex_m4"))
    assert there.events == here.events
    np.testing.assert_array_equal(there.outputs, here.outputs)


def test_command_line(project: Path, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "evening.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(_evening().tobytes())
    arguments = ["replay", str(project), str(tmp_path / "evening.wav")]
    shown = cli(*arguments, "--picture", str(tmp_path / "replay.png"))
    assert shown.returncode == 0, shown.stderr
    assert "C on native equals NumPy" in shown.stdout
    assert (tmp_path / "replay.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(cli(*arguments, "--json").stdout)["replay"]
    assert found["environment"] == "native"
    assert found["events"] == replay_project(project, _evening()).to_dict()["events"]
    wrong = cli(*arguments, "--picture", "replay.xyz")
    assert wrong.returncode == 2
    assert "replay.xyz" in wrong.stderr


def test_the_first_stage_that_differs_is_named(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bell"
    shutil.copytree(project, copy)
    source = copy / "lib" / "Bell" / "src" / "tflm_ext" / "to_int8.h"
    text = source.read_text("utf-8")
    assert "- 128" in text
    source.write_text(text.replace("- 128", "- 127"), "utf-8")
    with pytest.raises(VerificationError, match="stage 2 ToInt8 differs from NumPy"):
        replay_project(copy, _evening())


@pytest.mark.parametrize(
    ("recording", "environment", "message"),
    [
        (clips(6, 8000)[0], "cortex_m7", "no environment 'cortex_m7'"),
        (np.zeros((800, 2), np.int16), "native", "2"),
        ("missing.wav", "native", "missing.wav"),
    ],
)
def test_what_cannot_be_replayed(
    project: Path, recording: Any, environment: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        replay_project(project, recording, environment)
    assert error.value.hint


def test_show(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    PIPELINE.show(tmp_path / "bell.svg")
    shown = capsys.readouterr().out
    for stage in ("Microphone", "Frames", "LogMel", "ToInt8", "Stack"):
        assert stage in shown
    assert b"<svg" in (tmp_path / "bell.svg").read_bytes()
    with pytest.raises(ConfigError):
        PIPELINE.show(board="nano33")
